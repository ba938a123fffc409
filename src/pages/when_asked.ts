import { html } from "hono/html";
import type { Markup } from "./layout.ts";

/** Whether they want to say yes to calls one by one (DESIGN D14). */
export const whenAsked: Markup = html`<p>
  <label
    >Before it calls a service
    <select name="ask">
      <option value="never" selected>it need not ask me</option>
      <option value="changes">ask me first, unless it only reads</option>
      <option value="every">ask me first, every time</option>
    </select></label
  >
</p>`;
