import { refusalOf } from "./api.ts";

/** A pause that the server asks for is made: it looks through a long log for one file. */
const LONGEST_PAUSE_MS = 90_000;

/** A file, with all parts that follow the first: each names the next (RFC 8288). */
export async function wholeFile(address: string): Promise<Blob> {
  const parts: Blob[] = [];
  for (let next: string | undefined = address; next !== undefined;) {
    const response = await part(next);
    parts.push(await response.blob());
    next = /^<(\/v1\/[^>]*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return new Blob(parts, { type: parts[0]?.type ?? "" });
}

/** Hands a file to the browser, as a link to it would. */
export function save(file: Blob, name: string): void {
  const href = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href, download: name }).click();
  URL.revokeObjectURL(href);
}

async function part(address: string): Promise<Response> {
  const response = await fetch(address);
  if (response.ok) return response;
  const refused = await refusalOf(response);
  const { status, wait_ms = Infinity } = refused;
  if (status !== 429 || wait_ms > LONGEST_PAUSE_MS) throw refused;
  await new Promise((resolve) => setTimeout(resolve, wait_ms));
  return part(address);
}
