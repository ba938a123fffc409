import type { Command } from "commander";
import { openPage } from "../browser.ts";
import { locker } from "../client.ts";
import { answer, command, type Common } from "../command.ts";
import { confirm } from "../prompts.ts";
import { ago, note, paint, plain, say, sayJson } from "../terminal.ts";

/** The whole vault: stopped at once, and let go again by a person in the browser. */
export function vaultCommands(program: Command): void {
  command(program, "alerts", "what you should know")
    .option("--all", "those that were seen too")
    .action(({ all = false, ...options }: Common & { all?: boolean }) =>
      answer(
        options,
        async (locker) => ({ items: await locker.list("GET /alerts", all ? {} : { state: "open" }) }),
        ({ items }) => {
          if (items.length === 0) return say(paint("There are no alerts.", "green"));
          for (const { id, title, detail, fix, count, last_at } of items) {
            say(`${paint(plain(title), "yellow")}  ${count}×, last ${ago(last_at)}  ${paint(id, "dim")}`);
            say(`  ${plain(detail)}\n  ${plain(fix)}`);
          }
        },
      ),
    );

  command(program, "freeze", "stop everything at once: nothing is used, minted or shown until you unfreeze")
    .option("-y, --yes", "do not ask")
    .action(async ({ yes = false, ...options }: Common & { yes?: boolean }) => {
      const at = await locker(options);
      await confirm("Freeze the vault? Every app and agent stops at once.", yes);
      const receipt = await at.call("POST /vault/freeze");
      if (options.json === true) return sayJson(receipt);
      note(
        `${paint("Frozen.", "cyan", process.stderr)} ${receipt.streams_cut} streams were cut. To go on: apilocker unfreeze`,
      );
    });

  command(program, "unfreeze", "let the vault go on: you sign in and unfreeze it in the browser")
    .option("--no-browser", "print the address instead of opening a browser")
    .action(async ({ browser, ...options }: Common & { browser: boolean }) => {
      const { url } = await locker(options);
      // Only a sign-in after the freeze may do this (SECURITY S15): a device never can.
      const page = `${url}/settings`;
      if (options.json === true) sayJson({ url: page });
      else note(`Sign in anew and unfreeze at ${page}`);
      if (browser) openPage(page);
    });
}
