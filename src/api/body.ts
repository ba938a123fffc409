import { Problem } from "../problem.ts";

const BODY_BYTES = 1024 * 1024;

/** Does a request say that its body is small enough? The runtime holds it to that, but for a length beside chunks, which is nothing. */
export function isSaidToFit({ headers }: Request): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= BODY_BYTES && !headers.has("transfer-encoding");
}

/** A request's body as text, at most 1 MiB of it: counted as it arrives, where it may be larger. */
export async function readText(request: Request): Promise<string> {
  if (isSaidToFit(request)) return request.text();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > BODY_BYTES) throw new Problem("too_large", "The body is larger than 1 MiB.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The JSON of a body. Where an operation's body may be left out altogether, an empty one stands for `{}`. */
export function readJson(request: Request, text: string): unknown {
  if (text === "") return {};
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    throw new Problem("unsupported_media_type", "Send a JSON body as application/json.");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("invalid_request", "The body is not JSON.", { errors: [{ field: "", rule: "must be JSON" }] });
  }
}
