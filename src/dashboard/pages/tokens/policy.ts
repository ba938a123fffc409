import type { Answer } from "../../data/api.ts";

/** What a token may do, as the API tells it. */
export type Policy = Answer<"GET /tokens/{id}">["policy"];
