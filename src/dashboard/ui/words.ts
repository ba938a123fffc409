import { exact } from "./time.tsx";
import type { Policy } from "../pages/tokens/policy.ts";

const MOST_NAMES = 3;

/** A list as a sentence has it. */
function listed(words: readonly string[], between: "and" | "or" = "and"): string {
  if (words.length <= 1) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} ${between} ${words.at(-1)}`;
}

/** Which keys a policy reaches. */
export function reachInWords(keys: readonly string[] | undefined, names: ReadonlyMap<string, string>): string {
  if (keys === undefined) return "every key";
  const words = keys.map((key) =>
    key.startsWith("tag:") ? `every key tagged ${key.slice(4)}` : (names.get(key) ?? key),
  );
  if (words.length <= MOST_NAMES + 1) return listed(words);
  return `${words.slice(0, MOST_NAMES).join(", ")} and ${words.length - MOST_NAMES} more`;
}

/** What a token may do, told as one would tell a colleague. */
export function policyInWords(policy: Policy, names: ReadonlyMap<string, string>): string {
  const { keys, methods, paths, expires_at, allow_credential_endpoints } = policy;
  const may = [
    `Whoever holds it may call ${reachInWords(keys, names)}`,
    methods === undefined ? "with any method" : `with ${listed(methods, "or")}`,
    paths === undefined ? "on any path" : `on ${listed(paths, "or")}`,
  ];
  const sentences = [
    `${may.join(" ")}${expires_at === undefined ? "" : `, until ${exact(expires_at)}`}.`,
    allow_credential_endpoints === true
      ? "It may even call what makes or shows credentials."
      : "What makes or shows credentials at the provider stays refused.",
  ];
  return sentences.join(" ");
}
