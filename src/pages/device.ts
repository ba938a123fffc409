import { Hono } from "hono";
import { html } from "hono/html";
import { sessionOf } from "../auth/caller.ts";
import { revealIn, wishIn } from "../auth/device_wish.ts";
import { formToken } from "../auth/form_token.ts";
import { originOf } from "../auth/origin.ts";
import { configOf, type Config } from "../config.ts";
import { userCodeHash } from "../crypto/user_code.ts";
import { isOneTooMany, takeBack } from "../directory/attempts.ts";
import { answerDeviceLogin, showDeviceLogin, unansweredLogin, type DeviceLogin } from "../directory/device_logins.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Caller } from "../vault/tokens/caller.ts";
import { limitedAs } from "../vault/policy/network.ts";
import { approvalFields, deviceFacts, placeOf, yesOrNo } from "./device_approval.ts";
import { postedForm } from "./form.ts";
import { page } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

const CODE_FORM = "device-code";
const ANSWER_FORM = "device-answer";
const UNLOCK_FORM = "device-unlock";

const WINDOW_MS = 10 * 60_000;
const TRIES_A_SESSION = 10;
const TRIES_AN_ADDRESS = 30;

/**
 * Where a person lets a device in (RFC 8628 §3.3) or lets it see secrets (SECURITY S4). The code is typed, never part of a link:
 * whoever sends a link sends somebody else's device.
 */
export const device = new Hono<{ Bindings: Env }>()
  .get("/device", ({ env, req }) => signedIn(env, req.raw, (config, { caller }) => codePage(config, caller)))
  .post("/device", async ({ env, req }) => {
    const config = configOf(env);
    const { vault_id, caller, fields } = await postedForm(req.raw, config, CODE_FORM);
    const vault = env.USER_VAULT.getByName(vault_id);
    const me = await ask(vault.me(caller));
    const user_code = fields("user_code")[0] ?? "";
    const user_code_hash = userCodeHash(config.token_keys, user_code);
    const login = await guarded(env.DB, caller, originOf(req.raw).ip, () =>
      showDeviceLogin(env.DB, user_code_hash, Date.now()),
    );
    if (login === undefined)
      return codePage(config, caller, "There is no device that waits with this code. Look at it again, or start anew.");
    const keys = await ask(vault.listKeys(caller, undefined, 201, {}));
    return approvalPage(config, caller, { login, user_code, account: me.session.name, keys });
  })
  .post("/device/approve", async ({ env, req }) => {
    const config = configOf(env);
    const { vault_id, caller, fields } = await postedForm(req.raw, config, ANSWER_FORM);
    const login = await answeredLogin(env.DB, config, caller, fields, originOf(req.raw).ip);
    const { code_hash } = login;
    const wish = { ...wishIn(fields, login), code_hash, proof: null };
    // The vault first: what D1 says of a login that no vault has said yes to is worth nothing.
    await ask(env.USER_VAULT.getByName(vault_id).approveDevice(caller, wish));
    if (!(await answerDeviceLogin(env.DB, code_hash, { answer: "approved", vault_id }, Date.now()))) throw answered();
    return donePage("Approved", `${wish.name} is being signed in. You can close this page.`);
  })
  .post("/device/deny", async ({ env, req }) => {
    const config = configOf(env);
    const { vault_id, caller, fields } = await postedForm(req.raw, config, ANSWER_FORM);
    await ask(env.USER_VAULT.getByName(vault_id).me(caller));
    const { code_hash } = await answeredLogin(env.DB, config, caller, fields, originOf(req.raw).ip);
    if (!(await answerDeviceLogin(env.DB, code_hash, { answer: "denied" }, Date.now()))) throw answered();
    return donePage("Denied", "The device gets nothing. You can close this page.");
  })
  .get("/device/unlock/:id", ({ env, req }) =>
    signedIn(env, req.raw, async (config, { vault_id, caller }) => {
      const found = await ask(env.USER_VAULT.getByName(vault_id).askingDevice(caller, req.param("id")));
      return unlockPage(config, caller, found);
    }),
  )
  .post("/device/unlock/:id", async ({ env, req }) => {
    const config = configOf(env);
    const { vault_id, caller, fields } = await postedForm(req.raw, config, UNLOCK_FORM);
    const reveal = fields("deny").length === 0 ? revealIn(fields) : "none";
    const { name } = await ask(env.USER_VAULT.getByName(vault_id).answerDevice(caller, req.param("id"), reveal));
    return reveal === "none"
      ? donePage("Denied", `${name} sees no secrets. You can close this page.`)
      : donePage("Approved", `${name} may be shown secrets now. You can close this page.`);
  });

/** A page for whoever is signed in; the sign-in page, leading back here, for whoever is not. */
async function signedIn(
  env: Env,
  request: Request,
  show: (config: Config, who: { vault_id: string; caller: Caller }) => Promise<Response>,
): Promise<Response> {
  const config = configOf(env);
  try {
    const who = sessionOf(request, config, ["session"]);
    await ask(env.USER_VAULT.getByName(who.vault_id).me(who.caller));
    return await show(config, who);
  } catch (refused) {
    if (!(refused instanceof Problem) || refused.code !== "invalid_token") throw refused;
    return signInPage(config.sign_in, new URL(request.url).pathname);
  }
}

/**
 * Looks a code up. Guessing is slow for a session and for an address (RFC 8628 §5.1): every try is counted before it is made, so
 * that many at once are many, and one that was right is taken back.
 */
async function guarded(
  db: D1Database,
  { hash }: Caller,
  ip: string,
  look: () => Promise<DeviceLogin | undefined>,
): Promise<DeviceLogin | undefined> {
  const now = Date.now();
  const limits = [
    { name: `user_code session ${hash}`, most: TRIES_A_SESSION },
    { name: `user_code address ${limitedAs(ip)}`, most: TRIES_AN_ADDRESS },
  ];
  const tooMany = await Promise.all(
    limits.map(({ name, most }) => isOneTooMany(db, name, { most, window_ms: WINDOW_MS }, now)),
  );
  if (tooMany.includes(true))
    throw new Problem("rate_limited", "Too many codes were tried. Wait ten minutes.", { retry_after_s: 600 });
  const found = await look();
  if (found !== undefined) await Promise.all(limits.map(({ name }) => takeBack(db, name)));
  return found;
}

/** The login that an answer is about. Answers are tries like any other: the form token does not say which code was shown. */
async function answeredLogin(
  db: D1Database,
  config: Config,
  caller: Caller,
  fields: (name: string) => string[],
  ip: string,
): Promise<DeviceLogin> {
  const user_code_hash = userCodeHash(config.token_keys, fields("user_code")[0] ?? "");
  const login = await guarded(db, caller, ip, () => unansweredLogin(db, user_code_hash, Date.now()));
  if (login === undefined) throw answered();
  return login;
}

function answered(): Problem {
  return new Problem("conflict", "This device was answered already, or its code is too old. Start anew on the device.");
}

function codePage(config: Config, caller: Caller, complaint?: string): Promise<Response> {
  return page(
    "Sign in a device",
    html`<h1>Sign in a device</h1>
      ${complaint === undefined ? "" : html`<p role="alert">${complaint}</p>`}
      <form method="post" action="/device" autocomplete="off">
        <input type="hidden" name="form_token" value="${formToken(config, CODE_FORM, caller.hash)}" />
        <p>
          <label
            >Type the code that the device shows<br />
            <input
              class="large"
              name="user_code"
              required
              maxlength="20"
              size="9"
              autocomplete="off"
              autocapitalize="characters"
              spellcheck="false"
              placeholder="XXXX-XXXX"
          /></label>
        </p>
        <button>Continue</button>
      </form>
      <p>
        Did somebody send you here with a code? Then it is their device that would be signed in as you. Close this page.
      </p>`,
    complaint === undefined ? 200 : 422,
  );
}

type Waiting = {
  login: DeviceLogin;
  user_code: string;
  account: string;
  keys: readonly { id: string; name: string }[];
};

function approvalPage(config: Config, caller: Caller, { login, user_code, account, keys }: Waiting): Promise<Response> {
  const hidden = html`<input type="hidden" name="form_token" value="${formToken(config, ANSWER_FORM, caller.hash)}" />
    <input type="hidden" name="user_code" value="${user_code}" />`;
  return page(
    "Let this device in?",
    html`<h1>Let this device in as ${account}?</h1>
      ${deviceFacts(login, placeOf(login.ip, login.country))}
      <p>
        It will be able to manage your keys, tokens and clients. Approve only if you have just started this yourself, on
        that device.
      </p>
      <form method="post" action="/device/approve" autocomplete="off">
        ${hidden} ${approvalFields(login, keys)} ${yesOrNo}
      </form>
      <form method="post" action="/device/deny" id="deny">${hidden}</form>`,
  );
}

type Asking = {
  id: string;
  name: string;
  platform: string;
  asked_ip: string | null;
  asked_country: string | null;
};

function unlockPage(config: Config, caller: Caller, found: Asking): Promise<Response> {
  const action = `/device/unlock/${found.id}`;
  const hidden = html`<input type="hidden" name="form_token" value="${formToken(config, UNLOCK_FORM, caller.hash)}" />`;
  return page(
    "Show secrets to a device?",
    html`<h1>Show secrets to ${found.name}?</h1>
      ${deviceFacts(found, placeOf(found.asked_ip ?? "", found.asked_country ?? ""))}
      <p>
        It asks to be shown the secrets of keys that you have marked as revealable. Everything that runs on it could
        read them. To use keys it needs none of this.
      </p>
      <form method="post" action="${action}">
        ${hidden}
        <p>
          <label
            >For how long?
            <select name="reveal">
              <option value="15m" selected>15 minutes</option>
              <option value="8h">8 hours</option>
              <option value="always">as long as it is signed in</option>
            </select></label
          >
        </p>
        ${yesOrNo}
      </form>
      <form method="post" action="${action}" id="deny">${hidden} <input type="hidden" name="deny" value="1" /></form>`,
  );
}

function donePage(title: string, text: string): Promise<Response> {
  return page(
    title,
    html`<h1>${title}</h1>
      <p>${text}</p>`,
  );
}
