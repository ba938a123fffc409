import { Problem } from "../problem.ts";

const BYTES = 64 * 1024;

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

/** The form in a request's body, counted as it arrives. */
export async function readForm(request: Request): Promise<Form> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers.get("content-type") ?? ""))
    throw new Problem("invalid_request", "Send the parameters as application/x-www-form-urlencoded.");
  return new Form(new URLSearchParams(await readText(request)));
}

export async function readText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > BYTES) throw new Problem("too_large", "The body is larger than 64 KiB.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
