import { AwsV4Signer } from "aws4fetch";
import { Problem } from "../problem.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";

/** The longest body that is read to be signed. S3's are streamed: its protocol allows to leave them out of the signature. */
const SIGNED_BYTES = 10 * 1024 * 1024;
const UNSIGNED = "UNSIGNED-PAYLOAD";
/** Ways to leave a body out of the signature; those that chain a signature through its chunks begin alike and are signed. */
const MAY_STAY = /^(UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER)$/;

type Body = ReadableStream<Uint8Array> | ArrayBuffer | null;

/**
 * Signs a request where its key is for that (AWS Signature Version 4), once target and headers stand; answers the body to send.
 * Only `host` and `x-amz-*` are signed: the network on the way may touch others.
 */
export async function sign(
  { target, headers }: { target: URL; headers: Headers },
  { destination: { placement }, secret }: Pick<Dispatch, "destination" | "secret">,
  method: string,
  body: Body,
): Promise<Body> {
  if (placement.in !== "sigv4") return body;
  const { access_key_id = "", secret_access_key = "", session_token } = secret;
  const said = headers.get("x-amz-content-sha256");
  if (said?.startsWith("STREAMING-") === true && !MAY_STAY.test(said)) {
    const detail = "A body that is signed chunk by chunk cannot be sent on: its signatures are made with the token.";
    throw new Problem("invalid_request", detail, {
      errors: [{ field: "x-amz-content-sha256", rule: "must not be a signed streaming payload" }],
    });
  }
  const signed = new Headers([...headers].filter(([name]) => name.startsWith("x-amz-")));
  const signer = (more: object) =>
    new AwsV4Signer({
      method,
      url: target.href,
      headers: signed,
      accessKeyId: access_key_id,
      secretAccessKey: secret_access_key,
      ...(session_token === undefined ? {} : { sessionToken: session_token }),
      ...(placement.service === undefined ? {} : { service: placement.service }),
      ...(placement.region === undefined ? {} : { region: placement.region }),
      ...more,
    });
  let sent = body;
  if (signer({}).service === "s3") {
    if (said === null || !MAY_STAY.test(said)) signed.set("x-amz-content-sha256", UNSIGNED);
  } else {
    signed.delete("x-amz-content-sha256");
    sent = await whole(body);
  }
  const { headers: answer } = await signer(sent instanceof ArrayBuffer ? { body: sent } : {}).sign();
  for (const [name, value] of answer) headers.set(name, value);
  return sent;
}

/** The body as bytes, for a signature over them. */
async function whole(body: Body): Promise<Body> {
  if (!(body instanceof ReadableStream)) return body;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > SIGNED_BYTES) throw new Problem("too_large", "A body that must be signed is at most 10 MiB.");
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes.buffer;
}
