import {
  ProtocolError,
  ProtocolErrorCode,
  type CompleteRequestParams,
  type CompleteResult,
  type Prompt,
} from "@modelcontextprotocol/server";
import { TIMES } from "./prompts.ts";
import { keyNames, TEMPLATES } from "./resources.ts";
import type { Visit } from "./visit.ts";

/** What may stand for an argument that somebody has begun to type: of a template of ours, or of a prompt. */
export async function complete(
  env: Env,
  visit: Visit,
  prompts: readonly Prompt[],
  { ref, argument: { name, value } }: CompleteRequestParams,
): Promise<CompleteResult> {
  const known =
    ref.type === "ref/prompt"
      ? prompts.some((prompt) => prompt.name === ref.name)
      : TEMPLATES.some(({ uriTemplate }) => uriTemplate === ref.uri);
  if (!known) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "There is nothing of that name to complete.");
  if (ref.type === "ref/resource")
    return { completion: { values: name === "name" ? await keyNames(env, visit, value) : [] } };
  const times = ref.name === "audit-review" && name === "since" ? TIMES : [];
  return { completion: { values: times.filter((time) => time.startsWith(value)) } };
}
