import { html } from "hono/html";
import { problemHeaders, type Problem } from "../problem.ts";
import { page } from "./layout.ts";

/** A refusal for a person who is looking at a page, in the same words that a program gets. */
export async function problemPage(problem: Problem): Promise<Response> {
  const shown = await page(
    problem.title,
    html`<h1>${problem.title}</h1>
      <p>${problem.message}</p>
      <p><a class="button" href="/">Go to the start page</a></p>`,
    problem.status,
  );
  for (const [name, value] of Object.entries(problemHeaders(problem))) shown.headers.set(name, value);
  return shown;
}
