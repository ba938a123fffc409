import { Hono } from "hono";
import { html } from "hono/html";
import { sessionOf } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { entry } from "./entry.ts";
import { page } from "./layout.ts";
import { signInPage } from "./sign_in.ts";
import style from "./style.css";

const SHOWN = 50;

/** Server-rendered pages, without script. */
export const pages = new Hono<{ Bindings: Env }>()
  .route("/", entry)
  .get(
    "/style.css",
    () =>
      new Response(style, {
        headers: {
          "content-type": "text/css",
          "cache-control": "public, max-age=3600",
          "x-content-type-options": "nosniff",
        },
      }),
  )
  .get("/", async ({ env, req }) => {
    const config = configOf(env);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      const vault = env.USER_VAULT.getByName(vault_id);
      const [me, keys, tokens] = await Promise.all([
        ask(vault.me(caller)),
        ask(vault.listKeys(caller, undefined, SHOWN, {})),
        ask(vault.listTokens(caller, "app", undefined, SHOWN)),
      ]);
      return await signedIn(me.session.name, keys, tokens);
    } catch (refused) {
      if (refused instanceof Problem && refused.code === "invalid_token") return signInPage(config.sign_in, "/");
      throw refused;
    }
  });

type Row = { name: string; paused_at: number | null; uses: number; id: string; revoked_at?: number | null };

function signedIn(name: string, keys: readonly Row[], tokens: readonly Row[]): Promise<Response> {
  return page(
    "Overview",
    html`<header>
        <h1>API Locker</h1>
        <form method="post" action="/auth/sign-out">${name} <button>Sign out</button></form>
      </header>
      <h2>Keys</h2>
      ${table(keys)}
      <h2>App tokens</h2>
      ${table(tokens)}`,
  );
}

function table(rows: readonly Row[]) {
  if (rows.length === 0) return html`<p>None yet.</p>`;
  return html`<table>
    <tr>
      <th>Name</th>
      <th>Id</th>
      <th>Uses</th>
      <th>State</th>
    </tr>
    ${rows.map(
      (row) =>
        html`<tr>
          <td>${row.name}</td>
          <td>${row.id}</td>
          <td>${row.uses}</td>
          <td>${stateOf(row)}</td>
        </tr>`,
    )}
  </table>`;
}

function stateOf({ paused_at, revoked_at }: Row): string {
  if (revoked_at != null) return "revoked";
  return paused_at === null ? "live" : "paused";
}
