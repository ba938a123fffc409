import { readFields } from "../body.ts";
import { Problem } from "../problem.ts";

export const FORM_BYTES = 64 * 1024;

/** Parameters of a request. A parameter comes once at most (RFC 6749 §3.1, §3.2), and an empty one counts as absent. */
export class Form {
  readonly #given: URLSearchParams;

  constructor(given: URLSearchParams) {
    this.#given = given;
  }

  get(name: string): string | undefined {
    const [value, second] = this.#given.getAll(name);
    if (second !== undefined) throw new Problem("invalid_request", `${name} is given more than once.`);
    return value === "" ? undefined : value;
  }

  must(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw new Problem("invalid_request", `${name} is missing.`);
    return value;
  }

  /** Of a parameter that may come several times. */
  all(name: string): string[] {
    return this.#given.getAll(name).filter((value) => value !== "");
  }
}

/** The form in a request's body. */
export async function readForm(request: Request): Promise<Form> {
  return new Form(await readFields(request, FORM_BYTES));
}
