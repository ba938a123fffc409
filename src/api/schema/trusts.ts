import * as z from "zod";
import { listOf, nameOf, pagesOf, PEOPLE, Receipt, text, time, type Operation } from "./common.ts";
import { Policy, StoredPolicy } from "./policy.ts";

const Claims = z
  .record(text(100), z.union([text(500), z.array(text(500)).min(1).max(20)]))
  .refine((claims) => Object.keys(claims).length <= 20, "must name at most 20 claims");

export const NewTrust = z.strictObject({
  name: nameOf(60),
  issuer: z
    .url({ protocol: /^https?$/ })
    .max(300)
    .meta({ description: "The `iss` of its tokens, to the letter" }),
  audience: text(500).optional().meta({
    description: "What its tokens must be made out to; left out: the trust's own address, which is the safest",
  }),
  claims: Claims.meta({
    description:
      "What its tokens must say: by claim, a pattern or several of which one must match, whole; * is any text",
  }),
  jwks: z
    .strictObject({
      keys: z
        .array(
          z.record(z.string(), z.unknown()).refine((key) => !("d" in key) && !("k" in key), "must be a public key"),
        )
        .min(1)
        .max(20),
    })
    .optional()
    .meta({ description: "Its public keys, where it cannot be asked over the network, as a private cluster cannot" }),
  single_use: z.boolean().default(true).meta({
    description:
      "Take each token once; false where a token is kept in a file and used until it expires, as in Kubernetes",
  }),
  policy: Policy.optional().meta({
    description: "What each token that is minted may do; expires_at is when the trust ends",
  }),
});

export const Trust = z.object({
  id: z.string(),
  name: z.string(),
  address: z.string().meta({ description: "The `audience` of an exchange" }),
  issuer: z.string(),
  audience: z.string(),
  claims: z.record(z.string(), z.array(z.string())),
  keys_given: z.boolean(),
  single_use: z.boolean(),
  policy: StoredPolicy,
  created_at: time,
  uses: z.int(),
  last_used_at: time.optional(),
});

/** Machine identities that are let in: their own tokens are exchanged at `/token` (RFC 8693) for one of fifteen minutes. */
export const TRUST_OPERATIONS = {
  createTrust: {
    method: "post",
    path: "/trusts",
    summary: "Take an issuer's tokens in exchange for short-lived ones, as from a CI job",
    may: ["session"],
    body: NewTrust,
    answer: Trust,
    status: 201,
  },
  listTrusts: {
    method: "get",
    path: "/trusts",
    summary: "List trusts",
    may: PEOPLE,
    query: z.strictObject(pagesOf("tst")),
    answer: listOf(Trust),
    status: 200,
  },
  deleteTrust: {
    method: "delete",
    path: "/trusts/{id}",
    summary: "Delete a trust, end all tokens that were minted for it and cut what they have open",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
