import type { Answer } from "../../data/api.ts";

/** The calls of an hour or a day. */
export type Bucket = Answer<"GET /activity/stats">["items"][number];

export function refusedIn({ outcomes }: Bucket): number {
  return outcomes.refused ?? 0;
}

/** What went wrong on the way. Who leaves before the answer has ended has his reasons: that is no failure. */
export function failedIn({ outcomes }: Bucket): number {
  return (outcomes.failed ?? 0) + (outcomes.cut ?? 0) + (outcomes.interrupted ?? 0);
}
