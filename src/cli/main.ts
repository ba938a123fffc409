import { cli } from "./cli.ts";
import { EXIT } from "./failure.ts";

/** A reader that goes away (`apilocker list | head`) is no fault of ours. */
process.stdout.on("error", (fault: NodeJS.ErrnoException) =>
  process.exit(fault.code === "EPIPE" ? EXIT.ok : EXIT.error),
);
/** What cannot be said is said to nobody; how it ended is in the exit code. */
process.stderr.on("error", () => {});

await cli(process.argv.slice(2));
