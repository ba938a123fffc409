import { useQuery } from "@tanstack/react-query";
import type { Answer } from "./api.ts";
import { readWhole } from "./queries.ts";

export type Provider = Answer<"GET /providers">["items"][number];

/** Every provider we know. They change with a release only. */
export function useProviders() {
  return useQuery({
    queryKey: ["all providers"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => readWhole("GET /providers", {}, { signal }),
  });
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
