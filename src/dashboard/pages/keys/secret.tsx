import { Input, InputArea } from "../../ui/input.tsx";
import type { ReactNode } from "react";
import type { SecretField } from "../../data/secret_fields.ts";
import { faultOf, type Typed } from "../../ui/form.tsx";

const LABELS: Record<string, string> = {
  secret: "Secret",
  username: "User name",
  password: "Password",
  client_id: "Client id",
  client_secret: "Client secret",
  refresh_token: "Refresh token",
  private_key: "Private key",
  private_key_id: "Private key id",
  subject: "Subject",
  access_key_id: "Access key id",
  secret_access_key: "Secret access key",
  session_token: "Session token",
};
const NOTES: Record<string, string> = {
  refresh_token: "If you have one already. Otherwise connect the account after storing.",
  private_key: "PKCS #8 in PEM, with its first and last line.",
  subject: "Whom it acts for, where the provider asks for that.",
};
/** What a person may see while typing it. */
const PLAIN = new Set(["username", "client_id", "access_key_id", "private_key_id", "subject"]);

/** Where a secret is typed. The fields keep their own text: React never holds it. */
export function SecretFields({
  fields,
  error,
}: {
  fields: readonly SecretField[];
  error: Error | undefined;
}): ReactNode {
  return fields.map(({ name, optional }) => {
    const shared = {
      name: `secret:${name}`,
      label: `${LABELS[name] ?? name.replaceAll("_", " ")}${optional ? " (optional)" : ""}`,
      description: NOTES[name],
      required: !optional,
      spellCheck: false,
      error: faultOf(error, name === "secret" ? "secret" : `fields.${name}`),
    };
    if (name === "private_key") return <InputArea key={name} {...shared} autoComplete="off" rows={4} />;
    const type = PLAIN.has(name) ? "text" : "password";
    return <Input key={name} {...shared} type={type} autoComplete="new-password" passwordManagerIgnore />;
  });
}

type Secret = { secret: string } | { fields: Record<string, string> };

/** A secret in the shape that the API wants: one text, or fields. */
export function secretIn(typed: Typed, fields: readonly SecretField[]): Secret {
  if (fields.length === 1 && fields[0]?.name === "secret") return { secret: typed.text("secret:secret") };
  const given = fields.flatMap(({ name }) => {
    const text = typed.text(`secret:${name}`);
    return text === "" ? [] : [[name, text] as const];
  });
  return { fields: Object.fromEntries(given) };
}
