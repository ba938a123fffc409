import { Problem } from "./problem.ts";

/** Does a request say that its body is small enough? The runtime holds it to that, but for a length beside chunks, which is nothing. */
export function isSaidToFit({ headers }: Request, bytes: number): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= bytes && !headers.has("transfer-encoding");
}

/** Does a request say that its body is of this media type, whatever parameters it adds (RFC 9110 §8.3.1)? */
export function isOfType({ headers }: Request, type: string): boolean {
  const [said = ""] = (headers.get("content-type") ?? "").split(";");
  return said.trim().toLowerCase() === type;
}

/** A body whole, counted as it arrives; undefined where it is larger. */
export async function readAtMost(body: ReadableStream<Uint8Array> | null, bytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > bytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A request's body as text; a larger one is refused. */
export async function readText(request: Request, bytes: number): Promise<string> {
  if (isSaidToFit(request, bytes)) return request.text();
  const body = await readAtMost(request.body, bytes);
  if (body === undefined) throw new Problem("too_large", `The body is larger than ${bytes / 1024} KiB.`);
  return body.toString("utf8");
}

/** The fields of a form that was posted; a larger one is refused. */
export async function readFields(request: Request, bytes: number): Promise<URLSearchParams> {
  if (!isOfType(request, "application/x-www-form-urlencoded"))
    throw new Problem("invalid_request", "Send the parameters as application/x-www-form-urlencoded.");
  return new URLSearchParams(await readText(request, bytes));
}
