import init from "./migrations/0001_init.sql";
import parents from "./migrations/0002_parents.sql";
import grants from "./migrations/0003_grants.sql";
import devices from "./migrations/0004_devices.sql";
import alerts from "./migrations/0005_alerts.sql";
import families from "./migrations/0006_families.sql";
import authorizations from "./migrations/0007_authorizations.sql";
import connections from "./migrations/0008_connections.sql";
import freeze from "./migrations/0009_freeze.sql";
import device_proofs from "./migrations/0010_device_proofs.sql";
import meters from "./migrations/0011_meters.sql";
import baseline from "./migrations/0012_baseline.sql";
import webhooks from "./migrations/0013_webhooks.sql";
import mcp from "./migrations/0014_mcp.sql";
import deletion from "./migrations/0015_deletion.sql";
import pages from "./migrations/0016_pages.sql";
import spend from "./migrations/0017_spend.sql";
import remedies from "./migrations/0018_remedies.sql";
import trusts from "./migrations/0019_trusts.sql";
import approvals from "./migrations/0020_approvals.sql";
import trash from "./migrations/0021_trash.sql";
import version_use from "./migrations/0022_version_use.sql";
import ask_of_clients from "./migrations/0023_ask_of_clients.sql";
import regrets from "./migrations/0024_regrets.sql";
import asking from "./migrations/0025_asking.sql";
import deliveries from "./migrations/0026_deliveries.sql";
import tallies from "./migrations/0027_tallies.sql";
import tallied_beyond from "./migrations/0028_tallied_beyond.sql";
import spend_of_derived from "./migrations/0029_spend_of_derived.sql";
import entry_link from "./migrations/0030_entry_link.sql";
import on_hold from "./migrations/0031_on_hold.sql";
import entry_link_again from "./migrations/0032_entry_link_again.sql";

/** Append-only: a release never edits a migration that another has run, and each leaves the previous release's queries working. */
const MIGRATIONS: readonly string[] = [
  init,
  parents,
  grants,
  devices,
  alerts,
  families,
  authorizations,
  connections,
  freeze,
  device_proofs,
  meters,
  baseline,
  webhooks,
  mcp,
  deletion,
  pages,
  spend,
  remedies,
  trusts,
  approvals,
  trash,
  version_use,
  ask_of_clients,
  regrets,
  asking,
  deliveries,
  tallies,
  tallied_beyond,
  spend_of_derived,
  entry_link,
  on_hold,
  entry_link_again,
];

/** True where this object holds a vault. Reads only, so asking an object about a name creates nothing (SECURITY S13). */
export function vaultExists(sql: SqlStorage): boolean {
  const table = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'vault'").toArray();
  return table.length > 0 && sql.exec("SELECT 1 FROM vault").toArray().length > 0;
}

/** Makes the table that a new vault notes its migrations in. */
export function beginMigrations(sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS migration (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)");
}

/** Brings the schema up to date, one transaction a step. Synchronous: no request ever meets a half-migrated vault. */
export function migrate(storage: DurableObjectStorage): void {
  const { sql } = storage;
  const done = sql.exec<{ last: number | null }>("SELECT max(id) AS last FROM migration").one().last ?? 0;
  for (const [index, text] of MIGRATIONS.entries()) {
    if (index < done) continue;
    storage.transactionSync(() => {
      sql.exec(text);
      sql.exec("INSERT INTO migration (id, at) VALUES (?, ?)", index + 1, Date.now());
    });
  }
}
