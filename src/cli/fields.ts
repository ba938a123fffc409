/** A secret as it is sent: one text, or several fields, which are piped in as JSON. */
export function fieldsIn(secret: string): { secret: string } | { fields: Record<string, string> } {
  if (!secret.startsWith("{")) return { secret };
  try {
    const fields: unknown = JSON.parse(secret);
    const entries = Object.entries(fields as Record<string, unknown>);
    if (
      entries.length > 0 &&
      entries.every(([name, value]) => /^[a-z_]{1,40}$/.test(name) && typeof value === "string")
    )
      return { fields: fields as Record<string, string> };
  } catch {
    // Not JSON: it is the secret itself.
  }
  return { secret };
}
