import { Input } from "@cloudflare/kumo/components/input";
import type { ReactNode } from "react";
import { faultOf, type Typed } from "../../ui/form.tsx";

const LABELS: Record<string, string> = {
  secret: "Secret",
  username: "User name",
  password: "Password",
  client_id: "Client id",
  client_secret: "Client secret",
  refresh_token: "Refresh token",
};
/** Fields that a public client, or one still to be connected, does without. */
const OPTIONAL = new Set(["client_secret", "refresh_token"]);

/** Where a secret is typed. The fields keep their own text: React never holds it. */
export function SecretFields({ fields, error }: { fields: readonly string[]; error: Error | undefined }): ReactNode {
  return fields.map((field) => (
    <Input
      key={field}
      name={`secret:${field}`}
      label={LABELS[field] ?? field.replaceAll("_", " ")}
      type={field === "username" || field === "client_id" ? "text" : "password"}
      required={!OPTIONAL.has(field)}
      autoComplete="new-password"
      passwordManagerIgnore
      spellCheck={false}
      error={faultOf(error, field === "secret" ? "secret" : `fields.${field}`)}
    />
  ));
}

/** A secret in the shape that the API wants: one text, or fields. */
export function secretIn(
  typed: Typed,
  fields: readonly string[],
): { secret: string } | { fields: Record<string, string> } {
  if (fields.length === 1 && fields[0] === "secret") return { secret: typed.text("secret:secret") };
  const given = fields.flatMap((field) => {
    const text = typed.text(`secret:${field}`);
    return text === "" ? [] : [[field, text] as const];
  });
  return { fields: Object.fromEntries(given) };
}
