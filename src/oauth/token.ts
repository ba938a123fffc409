import { Hono } from "hono";
import { originOf } from "../auth/origin.ts";
import { configOf } from "../config.ts";
import { noteClientUse } from "../directory/clients.ts";
import { Problem } from "../problem.ts";
import { authenticate } from "./authenticate.ts";
import { readForm } from "./form.ts";
import { mustFindClient } from "./client.ts";
import { WORKLOAD } from "./first_party.ts";
import { GRANT_TYPES, TOKEN_EXCHANGE } from "./grants/table.ts";
import { CORS, json, oauthRefusal } from "./wording.ts";

/** The token endpoint (RFC 6749 §3.2): who asks, then the grant type's own file. */
export const token = new Hono<{ Bindings: Env }>()
  .options("/token", () => new Response(null, { status: 204, headers: CORS }))
  .post("/token", async ({ env, req, executionCtx }) => {
    const config = configOf(env);
    const form = await readForm(req.raw);
    // Only for that one type may the client go unnamed (RFC 8693 §2.1).
    const unnamed =
      form.get("grant_type") === TOKEN_EXCHANGE &&
      form.get("client_id") === undefined &&
      !req.raw.headers.has("authorization");
    const client = unnamed
      ? await mustFindClient(env, config, WORKLOAD, "anybody")
      : await authenticate(env, config, req.raw, form);
    const name = form.must("grant_type");
    const grantType = Object.hasOwn(GRANT_TYPES, name) ? GRANT_TYPES[name] : undefined;
    if (grantType === undefined) throw new Problem("unsupported_grant_type", "That grant type is not served.");
    if (!client.metadata.grant_types.includes(name) && name !== "authorization_code")
      throw new Problem("unauthorized_client", "The client did not register for this grant type.");
    const issued = await grantType({ env, config, client, form, origin: originOf(req.raw) });
    if (client.registration === "registered")
      executionCtx.waitUntil(noteClientUse(env.DB, client.stored, Date.now()).catch(() => {}));
    return json(issued);
  })
  .onError((thrown) => oauthRefusal(thrown));
