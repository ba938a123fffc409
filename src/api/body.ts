import { isOfType } from "../body.ts";
import { isVast } from "../json.ts";
import { Problem } from "../problem.ts";

/** The largest body that `/v1` takes. */
export const BODY_BYTES = 1024 * 1024;

/** The JSON of a body. Where an operation's body may be left out altogether, an empty one stands for `{}`. */
export function readJson(request: Request, text: string): unknown {
  if (text === "") return {};
  if (!isOfType(request, "application/json"))
    throw new Problem("unsupported_media_type", "Send a JSON body as application/json.");
  const value = parsed(text);
  if (isVast(value)) throw new Problem("too_large", "An object of the body has more fields than any operation takes.");
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("invalid_request", "The body is not JSON.", { errors: [{ field: "", rule: "must be JSON" }] });
  }
}
