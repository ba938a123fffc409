import { html } from "hono/html";
import type { Problem } from "../problem.ts";
import { page } from "./layout.ts";

/** A refusal for a person who is looking at a page, in the same words that a program gets. */
export function problemPage(problem: Problem): Promise<Response> {
  return page(
    problem.title,
    html`<h1>${problem.title}</h1>
      <p>${problem.message}</p>
      <p><a class="button" href="/">Go to the start page</a></p>`,
    problem.status,
  );
}
