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
};
