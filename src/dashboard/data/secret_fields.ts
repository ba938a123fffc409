import type * as z from "zod";
import type { Key } from "../../api/schema.ts";

type Placement = z.output<typeof Key>["placement"];

/** A field of a secret. */
export type SecretField = { name: string; optional: boolean };

/** The fields of a secret, as its placement wants them. */
export function fieldsOf({ placement }: { placement: Placement }): readonly SecretField[] {
  switch (placement.in) {
    case "basic":
      return wanted("username", "password");
    case "headers":
      return wanted(...new Set(Object.values(placement.headers).flatMap(namesIn)));
    case "oauth":
      if (placement.grant === "jwt_bearer") {
        return [...wanted("client_id", "private_key"), ...maybe("private_key_id", "subject")];
      }
      return [
        ...wanted("client_id"),
        ...maybe(placement.client_auth === "private_key_jwt" ? "private_key" : "client_secret"),
        ...(placement.grant === "client_credentials" ? [] : maybe("refresh_token")),
      ];
    case "sigv4":
      return [...wanted("access_key_id", "secret_access_key"), ...maybe("session_token")];
    case "bearer":
    case "header":
    case "query":
      return wanted("secret");
  }
}

function wanted(...names: string[]): SecretField[] {
  return names.map((name) => ({ name, optional: false }));
}

function maybe(...names: string[]): SecretField[] {
  return names.map((name) => ({ name, optional: true }));
}

function namesIn(template: string): string[] {
  return Array.from(template.matchAll(/\{([a-z_]+)\}/g), ([, name]) => name as string);
}
