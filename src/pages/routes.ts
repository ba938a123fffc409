import { Hono } from "hono";
import { app } from "./app.ts";
import { approval } from "./approval.ts";
import { connect } from "./connect.ts";
import { device } from "./device.ts";
import { entry } from "./entry.ts";
import { BROWSER_HEADERS } from "./layout.ts";
import { problems } from "./problems.ts";
import look from "./look.css";
import style from "./style.css";

/** What a person sees: the dashboard, and pages that are made on the server and need no script. */
export const pages = new Hono<{ Bindings: Env }>()
  .route("/", entry)
  .route("/", approval)
  .route("/", connect)
  .route("/", app)
  .route("/", device)
  .route("/", problems)
  .get(
    "/style.css",
    () =>
      new Response(look + style, {
        headers: { ...BROWSER_HEADERS, "content-type": "text/css", "cache-control": "public, max-age=3600" },
      }),
  );
