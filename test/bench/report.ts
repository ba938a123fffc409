import type { Results, TargetResult } from "./results.ts";

type Cell = string | number | null | undefined;

/** The results as people read them. */
export function report({ targets, ratios, forged, revocation, vault_sizes }: Results): string {
  const big = targets.filter(({ big_body }) => big_body !== undefined);
  const many = targets.filter(({ many_vaults }) => many_vaults !== undefined);
  return [
    section("One call after another, ms", [
      ["", "p50", "p95", "p99", "added p50", "added p95", "added p99", "± p50"],
      ...targets.map(({ name, latency: { p50, p95, p99, spread }, added }) => {
        return [name, p50, p95, p99, added.p50, added.p95, added.p99, spread / 2];
      }),
    ]),
    section("Calls a second by connections; CPU and memory of the target's processes", [
      ["", "1", "16", "64", "CPU ms/call", "peak MB", "failed"],
      ...targets.map(({ name, throughput, peak_mb }) => {
        return [name, ...rps(throughput, [1, 16, 64]), throughput[16]?.cpu_ms, whole(peak_mb), failed(throughput)];
      }),
    ]),
    section("Calls a second over many vaults (objects)", [
      ["", "16", "64", "CPU ms/call", "failed"],
      ...many.map(({ name, many_vaults = {} }) => {
        return [name, ...rps(many_vaults, [16, 64]), many_vaults[16]?.cpu_ms, failed(many_vaults)];
      }),
    ]),
    section("A forged token, 16 connections", [
      ["calls a second", "CPU ms/call"],
      [whole(forged.rps), forged.cpu_ms],
    ]),
    section("A stream of events, ms", [
      ["", "first byte", "chunk lag"],
      ...targets.map(({ name, stream }) => [name, stream?.first_byte_ms, stream?.chunk_lag_ms]),
    ]),
    section("A large body", [
      ["", "seconds", "CPU s", "peak MB"],
      ...big.map(({ name, big_body }) => [name, big_body?.seconds, big_body?.cpu_s, whole(big_body?.peak_mb)]),
    ]),
    section(`Revocation of a token with ${revocation.streams} open streams, ms from the call`, [
      ["answered p50", "cut p50", "cut p99", "cut last", "streams cut", "in flight"],
      [
        revocation.answered_p50_ms,
        revocation.cut_p50_ms,
        revocation.cut_p99_ms,
        revocation.cut_max_ms,
        ...Object.values(revocation.receipt).map(whole),
      ],
    ]),
    section("Vaults of several sizes, ms", [
      ["keys", "audit rows", "call p50", "50 keys", "50 rows of activity"],
      ...vault_sizes.map(({ keys, rows, call_ms, keys_page_ms, activity_page_ms }) => {
        return [whole(keys), whole(rows), call_ms, keys_page_ms, activity_page_ms];
      }),
    ]),
    section("Ratios: API Locker over …", Object.entries(ratios)),
  ].join("\n\n");
}

function section(title: string, rows: readonly (readonly Cell[])[]): string {
  const text = rows.map((row) => row.map(show));
  const widths = (text[0] ?? []).map((_, column) => Math.max(...text.map((row) => row[column]?.length ?? 0)));
  const lines = text.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return `  ${cells.join("  ")}`;
  });
  return [title, ...lines].join("\n");
}

function show(cell: Cell): string {
  if (cell === null || cell === undefined) return "–";
  return typeof cell === "number" ? cell.toFixed(cell < 10 ? 3 : 1) : cell;
}

function whole(value: number | undefined): string | undefined {
  return value?.toFixed(0);
}

function rps(throughput: TargetResult["throughput"], connections: readonly number[]): Cell[] {
  return connections.map((count) => whole(throughput[count]?.rps));
}

function failed(throughput: TargetResult["throughput"]): Cell {
  return whole(Object.values(throughput).reduce((total, one) => total + one.failed, 0));
}
