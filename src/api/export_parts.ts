import type { Identified } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import type { ActivityFilter } from "../vault/audit/activity_filter.ts";
import { activityPage, following, NEWEST, PAGE_ROWS, patient, type Page } from "./activity_page.ts";
import { exportStream, type Format } from "./export.ts";

/** Rows of a file: 100 pages, each of two or three questions to D1, of which one request may ask 1,000. */
const PART_ROWS = 100_000;

type Wanted = ActivityFilter & { format: Format; cursor?: number | undefined };

/**
 * Activity as a file: what lies within so many numbers of the newest. Where more is left to tell, that is known before the first byte, and a
 * `Link` (RFC 8288) says where it goes on; what the files of all parts hold, one after the other, is one file.
 */
export async function exported(
  env: Env,
  who: Identified,
  { format, cursor = NEWEST, ...filter }: Wanted,
  url: string,
  part_rows = PART_ROWS,
): Promise<Response> {
  const page = (below: number) => activityPage(env, who, below, PAGE_ROWS, filter);
  // Read before anything is answered: who may not read gets a refusal, not an empty file. Whoever has a part waits for the next.
  const first = await (cursor === NEWEST ? page(cursor) : patient(page)(cursor));
  const floor = Math.min(cursor, first.heads.head_seq + 1) - part_rows;
  const rest = floor > 1 ? await beginning(env, who, floor, filter) : undefined;
  const within = (read: Page) => {
    const before = following(read, PAGE_ROWS) ?? 0;
    return {
      rows: read.rows.filter(({ seq }) => seq >= floor),
      before: before > Math.max(floor, 1) ? before : undefined,
    };
  };
  const read = async (before: number) => within(await page(before));
  return exportStream(format, within(first), patient(read), {
    origin: configOf(env).public_origin,
    part: { begins: cursor === NEWEST, goes_on: rest === undefined ? undefined : linkTo(url, rest) },
  });
}

/** Below which number the next part begins: right above the first of its rows; undefined where it would have none. */
async function beginning(env: Env, who: Identified, floor: number, filter: ActivityFilter) {
  const { rows, resume } = await patient((below) => activityPage(env, who, below, 1, filter))(floor);
  const [next] = rows;
  return next === undefined ? resume : next.seq + 1;
}

function linkTo(url: string, cursor: number): string {
  const next = new URL(url);
  next.searchParams.set("cursor", String(cursor));
  return next.pathname + next.search;
}
