import type { Command } from "commander";
import { openPage } from "../browser.ts";
import { ifReached, Locker, locker, type Answer } from "../client.ts";
import { answer, command, type Common } from "../command.ts";
import { credentials, forgetProfile, origin, profileName, profileNames, profileOf, saveProfile } from "../profiles.ts";
import { deviceName, platformName } from "../device_name.ts";
import { EXIT, Failure } from "../failure.ts";
import { discover, signInElsewhere, signInHere } from "../sign_in.ts";
import { askText, mayAsk, waiting } from "../prompts.ts";
import { ago, local, note, paint, plain, say, sayJson } from "../terminal.ts";

type LoginOptions = Common & { url?: string; headless?: boolean; name?: string; force?: boolean; browser: boolean };

const LOCAL = "http://localhost:8420";
const LOOK_AGAIN_MS = 1_000;

/** Signing in and out, and what this device may do. */
export function accountCommands(program: Command): void {
  command(program, "login", "sign this device in")
    .alias("register")
    .option("--url <url>", "address of the locker")
    .option("--headless", "show a code to type into a browser elsewhere")
    .option("--name <name>", "what this device is called", deviceName())
    .option("--no-browser", "print the address instead of opening a browser")
    .option("--force", "sign in again, and sign the old sign-in out")
    .action(login);

  command(program, "logout", "sign this device out: its token and all that it minted are dead at once")
    .option("--local", "only forget the sign-in here, as when the locker cannot be reached")
    .action(logout);

  command(program, "whoami", "who is signed in, and what this device may do").action((options: Common) =>
    answer(options, whoAmI, showMe),
  );

  command(program, "unlock", "ask to be shown secrets; you answer in the browser")
    .option("--no-browser", "print the address instead of opening a browser")
    .action(unlock);

  command(program, "lock", "be shown no more secrets").action((options: Common) =>
    answer(
      options,
      async (locker) => {
        const { device } = await locker.call("GET /me");
        return locker.call("PATCH /devices/{id}", { params: { id: device?.id ?? "" }, body: { reveal: "none" } });
      },
      () => note("This device sees no secrets now."),
    ),
  );

  command(program, "profiles", "list the sign-ins on this computer").action(async ({ json }: Common) => {
    const { current, names } = await profileNames();
    const profiles = await Promise.all(
      names.map(async (name) => ({ name, current: name === current, ...(await shown(name)) })),
    );
    if (json === true) sayJson({ items: profiles });
    else
      for (const { name, url, account } of profiles)
        say(`${name === current ? "*" : " "} ${name}  ${plain(account)}  ${url}`);
  });
}

async function shown(name: string): Promise<{ url: string; account: string; device_id: string }> {
  const { url = "", account = "", device_id = "" } = (await profileOf(name)) ?? {};
  return { url, account, device_id };
}

async function login(options: LoginOptions): Promise<void> {
  const name = await profileName(options.profile);
  const before = await profileOf(name);
  if (before !== undefined && options.force !== true && (await stillSignedIn(before)))
    throw new Failure(`This device is signed in at ${before.url} as ${plain(before.account)}.`, {
      code: "signed_in",
      hint: "Sign in anew with --force, or elsewhere too with --profile NAME.",
    });
  const url = origin(options.url ?? process.env.APILOCKER_URL ?? before?.url ?? (await askUrl()));
  const server = await discover(url);
  const asking = { name: options.name ?? deviceName(), platform: platformName() };
  const { access_token, device_id } =
    options.headless === true
      ? await signInElsewhere(server, asking, ({ user_code, verification_uri }) => {
          note(
            `Open ${paint(plain(verification_uri), "cyan", process.stderr)} in a browser and type ${paint(plain(user_code), "bold", process.stderr)}`,
          );
        })
      : await signInHere(server, asking, (page) => {
          note(`Opening ${page}`);
          note("If no browser opens, open it yourself; on a machine without one use: apilocker login --headless");
          if (options.browser) openPage(page);
        });
  const fresh = new Locker({ url, token: access_token, profile: name, stored: true });
  const { account } = await whoAmI(fresh);
  await saveProfile(name, { url, token: access_token, device_id, account });
  if (before !== undefined && before.token !== access_token) await signOut(before).catch(() => {});
  if (options.json === true) sayJson({ profile: name, url, account, device_id });
  else
    note(
      `${paint("Signed in", "green", process.stderr)} at ${url} as ${paint(plain(account), "bold", process.stderr)}.`,
    );
}

async function askUrl(): Promise<string> {
  if (!mayAsk())
    throw new Failure("Say where your locker is: --url https://…", { exit_code: EXIT.usage, code: "usage" });
  return askText("Where is your locker?", { initialValue: LOCAL });
}

async function stillSignedIn({ url, token }: { url: string; token: string }): Promise<boolean> {
  try {
    await new Locker({ url, token, profile: "", stored: true }).call("GET /me");
    return true;
  } catch (refused) {
    if (refused instanceof Failure && refused.exit_code === EXIT.sign_in) return false;
    if (!(refused instanceof Failure)) throw refused;
    const { message, exit_code, code } = refused;
    const hint =
      "This device may be signed in there. Sign in all the same with --force, or beside it with --profile NAME.";
    throw new Failure(message, { exit_code, code, hint });
  }
}

function signOut({ url, token, device_id }: { url: string; token: string; device_id: string }) {
  return new Locker({ url, token, profile: "", stored: true }).call("DELETE /devices/{id}", {
    params: { id: device_id },
  });
}

async function logout({ json, local, ...options }: Common & { local?: boolean }): Promise<void> {
  const name = await profileName(options.profile);
  const profile = await profileOf(name);
  if (profile === undefined) {
    if ((await credentials(options.profile)) !== undefined)
      throw new Failure("The sign-in comes from APILOCKER_TOKEN.", {
        hint: "Revoke that device: apilocker devices revoke ID",
      });
    if (json === true) return sayJson({ profile: name, signed_out: false });
    return note("This device is not signed in.");
  }
  let receipt: unknown;
  if (local !== true) {
    try {
      receipt = await signOut(profile);
    } catch (refused) {
      // A token that is dead already needs no end; of everything else the person must know.
      if (!(refused instanceof Failure) || refused.exit_code !== EXIT.sign_in) throw refused;
    }
  }
  await forgetProfile(name);
  if (json === true) sayJson({ profile: name, signed_out: true, receipt });
  else note(`Signed out of ${profile.url}.`);
}

type Me = { account: string; url: string; profile: string; device: Answer<"GET /me">["device"] };

async function whoAmI(locker: Locker): Promise<Me> {
  const { name, account_id, identities, device } = await locker.call("GET /me");
  const [identity] = identities;
  return {
    account: identity?.email ?? name ?? identity?.name ?? account_id,
    url: locker.url,
    profile: locker.profile,
    device,
  };
}

function showMe({ account, url, profile, device }: Me): void {
  say(`${paint(plain(account), "bold")} at ${url} (profile ${profile})`);
  if (device === undefined) return;
  say(`Device:  ${plain(device.name)} (${device.id}), its sign-in ends ${ago(device.expires_at)} unless it is used`);
  say(`Keys:    ${device.keys === undefined ? "every key" : `${device.keys.length} chosen`}`);
  say(`Secrets: ${isUnlocked(device) ? `shown until ${local(device.reveal_until)}` : "not shown (apilocker unlock)"}`);
}

function isUnlocked<Device extends { reveal_until?: string | undefined }>(
  device: Device,
): device is Device & { reveal_until: string } {
  const { reveal_until } = device;
  return reveal_until !== undefined && Date.parse(reveal_until) > Date.now();
}

async function unlock({ browser, json, ...options }: Common & { browser: boolean }): Promise<void> {
  const at = await locker(options);
  const { url, expires_at } = await at.call("POST /devices/unlock");
  note(`Opening ${plain(url)}`);
  if (browser) openPage(url);
  const until = await waiting("Waiting for your answer in the browser", answered(at, Date.parse(expires_at)));
  if (json === true) sayJson({ reveal_until: until });
  else note(`This device may be shown secrets until ${local(until)}.`);
}

/** Until when secrets may be shown now, once the person has answered. */
async function answered(at: Locker, deadline: number): Promise<string> {
  while (Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    const me = await ifReached(at.call("GET /me"));
    if (me === undefined || me.device?.unlock_asked_at !== undefined) continue;
    const { device } = me;
    if (device?.reveal_until !== undefined && isUnlocked(device)) return device.reveal_until;
    throw new Failure("It was denied in the browser.", { code: "denied" });
  }
  throw new Failure("Nobody answered in the browser within ten minutes.");
}
