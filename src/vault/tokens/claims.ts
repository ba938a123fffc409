/** Conditions on a token's claims: each named claim must match one of its patterns, whole; `*` stands for any run of characters. */
export type ClaimConditions = Readonly<Record<string, readonly string[]>>;

/** The claims of a token whose signature was verified. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * Issuers that anybody can get a token of: a condition must say whose it is. Names and paths may pass to somebody else once they
 * are given up; ids do not.
 */
const SHARED_ISSUERS: Record<string, readonly string[]> = {
  "https://token.actions.githubusercontent.com": [
    "sub",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
  ],
  "https://gitlab.com": ["sub", "project_path", "project_id", "namespace_path", "namespace_id"],
  "https://accounts.google.com": ["sub", "email", "hd"],
  "https://agent.buildkite.com": ["sub", "organization_slug", "organization_id"],
  "https://app.terraform.io": ["sub", "terraform_organization_name", "terraform_organization_id"],
  "https://oidc.vercel.com": ["sub", "owner", "owner_id"],
};

/** What is wrong with conditions: without one that says whose tokens are meant, everybody's are. Undefined where nothing is. */
export function faultOf(issuer: string, conditions: ClaimConditions): string | undefined {
  const telling = Object.entries(conditions).filter(([, patterns]) => patterns.every(isTelling));
  if (telling.length === 0) return "must hold a condition that is not met by everybody";
  const whose = SHARED_ISSUERS[issuer.replace(/\/$/, "")];
  if (
    whose !== undefined &&
    !telling.some(([claim, patterns]) => whose.includes(claim) && patterns.every(namesAnOwner))
  )
    return `must say whose tokens are meant, by one of ${whose.join(", ")}: anybody can get one of this issuer`;
  return undefined;
}

/** The first claim that does not meet its condition; undefined where all do. */
export function unmet(conditions: ClaimConditions, claims: Claims): string | undefined {
  return Object.entries(conditions).find(([name, patterns]) => {
    const values = textsOf(claimOf(claims, name));
    return !patterns.some((pattern) => values.some((value) => isMatch(pattern, value)));
  })?.[0];
}

/** A claim by its name, or by the way to it where it lies in others: `kubernetes.io/serviceaccount/name`. */
function claimOf(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name.split("/").reduce<unknown>((at, part) => {
    if (typeof at !== "object" || at === null || Array.isArray(at) || !Object.hasOwn(at, part)) return undefined;
    return (at as Record<string, unknown>)[part];
  }, claims);
}

/** A list of values meets a condition where one of them does. */
function textsOf(value: unknown): string[] {
  const values = Array.isArray(value) ? value : [value];
  return values
    .filter((one) => typeof one === "string" || typeof one === "number" || typeof one === "boolean")
    .map(String);
}

/** Does the pattern say anything? A wildcard alone, or one in front of a separator, is met by everybody. */
function isTelling(pattern: string): boolean {
  return /[A-Za-z0-9]/.test(pattern.replace(/^(repo|project_path|organization|owner|system:serviceaccount)(?=:)/, ""));
}

/** Is the owner written out? Only what comes after it may be left open: `repo:octo/*`, not `repo:octo*`, which `octo-evil` meets. */
function namesAnOwner(pattern: string): boolean {
  const [before = "", after] = pattern.replace(/^(repo|project_path|organization|owner)(?=:)/, "").split("*");
  return after === undefined ? /[A-Za-z0-9]/.test(before) : /[A-Za-z0-9][^*]*[/:]$/.test(before);
}

/** Linear in pattern and value: what stands between the wildcards must come in order, the first at the start, the last at the end. */
function isMatch(pattern: string, value: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return pattern === value;
  if (!value.startsWith(first) || !value.endsWith(last) || value.length < first.length + last.length) return false;
  let at = first.length;
  const end = value.length - last.length;
  return rest.every((part) => {
    const found = value.indexOf(part, at);
    at = found + part.length;
    return found >= 0 && at <= end;
  });
}
