import { expect, it } from "vitest";
import { wordsOf } from "../../src/vault/alerts/alert_words.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Identity } from "../../src/vault/account/identities.ts";
import { ADA, newVault, ORIGIN, refusalOf, signIn, sql, travel, type Vault } from "../support/vault.ts";

const DAY_MS = 86_400_000;
const OTHER: Identity = { ...ADA, issuer: "https://other.example", subject: "ada there" };
const THIEF: Identity = { ...ADA, issuer: "https://other.example", subject: "eve" };

const unlink = ({ stub, ada }: Vault, { issuer, subject }: Identity) =>
  refusalOf(ask(stub.unlink(ada, { issuer, subject })));
const opens = ({ stub, account_id }: Vault, who: Identity) => refusalOf(ask(stub.signIn(account_id, who, ORIGIN)));

/** Signed in anew after so long. */
async function later(vault: Vault, ms: number): Promise<void> {
  travel(ms);
  vault.ada = await signIn(vault.stub, vault.account_id);
}

it("a person may leave the provider that they came by once another sign-in has been there for a week; it opens nothing then, and they are told", async () => {
  const vault = await newVault();
  await ask(vault.stub.link(vault.ada, OTHER));
  await later(vault, 7 * DAY_MS);
  const old = await signIn(vault.stub, vault.account_id);
  expect(await unlink(vault, ADA)).toBe("accepted");
  expect(await opens(vault, ADA)).toBe("gone");
  expect(await refusalOf(ask(vault.stub.me(old)))).toBe("invalid_token revoked");
  expect(await opens(vault, OTHER)).toBe("accepted");
  expect((await ask(vault.stub.me(vault.ada))).identities).toMatchObject([{ issuer: OTHER.issuer }]);
  const alerts = await ask(vault.stub.listAlerts(vault.ada, undefined, 10, { kind: "identity_linked" }));
  expect(alerts.map(wordsOf)).toMatchObject([
    { title: "A sign-in was taken from this account", detail: expect.stringContaining("id.example") },
    { title: "Another sign-in was added to this account", detail: expect.stringContaining("other.example") },
  ]);
});

it("the last sign-in stays, whichever it is", async () => {
  const vault = await newVault();
  expect(await unlink(vault, ADA)).toBe("conflict");
  await ask(vault.stub.link(vault.ada, OTHER));
  await later(vault, 8 * DAY_MS);
  await unlink(vault, ADA);
  expect(await unlink(vault, OTHER)).toBe("conflict");
  expect(await opens(vault, OTHER)).toBe("accepted");
});

it("whoever has just linked theirs cannot be what stays, however many they link, and is unlinked by the person at any time", async () => {
  const vault = await newVault();
  for (const subject of ["eve", "eve too"]) await ask(vault.stub.link(vault.ada, { ...THIEF, subject }));
  expect(await unlink(vault, ADA)).toBe("conflict");
  await later(vault, 7 * DAY_MS - 1_000);
  expect(await unlink(vault, ADA)).toBe("conflict");
  expect(await opens(vault, ADA)).toBe("accepted");
  expect(await unlink(vault, THIEF)).toBe("accepted");
  expect(await opens(vault, THIEF)).toBe("gone");
  // Linked again, it begins again.
  await ask(vault.stub.link(vault.ada, THIEF));
  await sql(vault, "DELETE FROM identity WHERE subject = 'eve too'");
  await later(vault, 2_000);
  expect(await unlink(vault, ADA)).toBe("conflict");
});
