import { call, type Answer } from "./api.ts";
import { useQuery } from "@tanstack/react-query";

export type Provider = Answer<"GET /providers">["items"][number];

/** Every provider we know. They change with a release only. */
export function useProviders() {
  return useQuery({
    queryKey: ["all providers"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const all: Provider[] = [];
      let cursor: string | undefined;
      do {
        const page = await call("GET /providers", { query: { limit: 200, cursor } }, signal);
        all.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor !== undefined);
      return all;
    },
  });
}

/** A field of a secret. */
export type SecretField = { name: string; optional: boolean };

/** The fields of a secret, as its placement wants them. */
export function fieldsOf({ placement }: { placement: Provider["placement"] }): readonly SecretField[] {
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

/** How a credential is shown to its upstream, in words. */
export function placementInWords(placement: Provider["placement"]): string {
  switch (placement.in) {
    case "bearer":
      return "Authorization: Bearer …";
    case "basic":
      return "Authorization: Basic …";
    case "header":
      return `${placement.name}: ${placement.prefix ?? ""}…`;
    case "headers":
      return Object.keys(placement.headers).join(", ");
    case "query":
      return `?${placement.name}=…`;
    case "sigv4":
      return "AWS Signature Version 4, computed for each request";
    case "oauth":
      return "OAuth 2.0 access token, refreshed for you";
  }
}
