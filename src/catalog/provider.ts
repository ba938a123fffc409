/** How an upstream wants to be shown a credential. `{field}` in a template is replaced by that field of the secret. */
export type Placement =
  | { in: "bearer" }
  | { in: "basic" }
  | { in: "header"; name: string; prefix?: string | undefined }
  | { in: "headers"; headers: Record<string, string> }
  | { in: "query"; name: string };

/** A provider we know: where its API is and how it takes its key. */
export type Provider = {
  id: string;
  name: string;
  category: "llm" | "service";
  base_url: string;
  placement: Placement;
  /** Headers that every call needs; sent only where the caller sent none. */
  headers?: Record<string, string>;
  docs_url: string;
  /** One harmless call that proves that a key works. */
  test?: { method: "GET" | "HEAD" | "POST"; path: string };
};

/** The fields of a secret that a placement shows upstream. A Basic pair may also be one `secret`, sent as the user name. */
export function secretFieldsOf(placement: Placement): string[] {
  if (placement.in === "basic") return ["username", "password"];
  if (placement.in !== "headers") return ["secret"];
  const templates = Object.values(placement.headers).join(" ");
  return [...new Set([...templates.matchAll(/\{([a-z_]+)\}/g)].map(([, field]) => field as string))];
}
