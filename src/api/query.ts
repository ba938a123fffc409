import { Problem } from "../problem.ts";

/** What a request's query asks for, by name. Of what is said twice it is not for us to guess which is meant. */
export function readQuery({ url }: Request): Record<string, string> {
  const { searchParams } = new URL(url);
  const asked = new Map<string, string>();
  const twice = new Set<string>();
  for (const [name, value] of searchParams) {
    if (asked.has(name)) twice.add(name);
    asked.set(name, value);
  }
  if (twice.size > 0) {
    const errors = [...twice].map((field) => ({ field, rule: "must be given once" }));
    throw new Problem("invalid_request", `${errors[0]?.field}: must be given once.`, { errors });
  }
  return Object.fromEntries(asked);
}
