import type { AuditRow as StoredRow } from "../vault/audit/row.ts";
import { wireRow } from "./wire.ts";

/** All that a row tells; what is no one text is JSON in its cell. */
const COLUMNS = [
  "seq",
  "at",
  "action",
  "tool",
  "outcome",
  "rule",
  "actor.kind",
  "actor.id",
  "actor.name",
  "token",
  "generation",
  "key",
  "key_version",
  "key_name",
  "provider",
  "method",
  "overridden",
  "host",
  "path",
  "subject",
  "status",
  "latency_ms",
  "bytes_in",
  "bytes_out",
  "usd",
  "usd_estimated",
  "count",
  "would_refuse",
  "ip",
  "country",
  "user_agent",
  "lost",
  "spent",
  "id",
  "prev",
  "hash",
] as const;

export type Format = "csv" | "jsonl";

/** Where a file stands among others: whether it is the first of them, and the address of the next, if any. */
type Part = { begins: boolean; goes_on: string | undefined };

/** Rows of a page, and where the next one begins. */
type ExportPage = { rows: StoredRow[]; before: number | undefined };

/** Audit rows as a file that is made as it is read, page by page, newest first. */
export function exportStream(
  format: Format,
  first: ExportPage,
  read: (before: number) => Promise<ExportPage>,
  { origin, part: { begins, goes_on } }: { origin: string; part: Part },
): Response {
  const encoder = new TextEncoder();
  const write = format === "csv" ? csvLine : jsonLine;
  let page = first;
  let header = format === "csv" && begins ? `${COLUMNS.join(",")}\r\n` : "";
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(encoder.encode(header + page.rows.map(write).join("")));
      header = "";
      if (page.before === undefined) return controller.close();
      page = await read(page.before);
    },
  });
  const type =
    format === "csv" ? `text/csv; charset=utf-8; header=${begins ? "present" : "absent"}` : "application/jsonl";
  const whole = begins && goes_on === undefined;
  const place = whole ? "" : `-from-${page.rows[0]?.seq ?? 0}`;
  const name = `activity-${new URL(origin).hostname}${place}.${format}`;
  return new Response(body, {
    headers: {
      "content-type": type,
      "content-disposition": `attachment; filename="${name}"`,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(goes_on === undefined ? {} : { link: `<${goes_on}>; rel="next"` }),
    },
  });
}

function jsonLine(row: StoredRow): string {
  return `${JSON.stringify(wireRow(row))}\n`;
}

function csvLine(row: StoredRow): string {
  const { actor, ...wire } = wireRow(row);
  const flat: Record<string, unknown> = {
    ...wire,
    "actor.kind": actor.kind,
    "actor.id": actor.id,
    "actor.name": actor.name,
  };
  return `${COLUMNS.map((column) => csvCell(flat[column])).join(",")}\r\n`;
}

/**
 * RFC 4180; a cell that a spreadsheet would take for a formula gets a quote in front (SECURITY S17), the wide signs of East Asian ones too. Where
 * semicolons part cells only what is quoted stays together.
 */
function csvCell(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
