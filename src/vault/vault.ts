import { OperatorSurface } from "./surface/operator.ts";
import { bury, held } from "./surface.ts";

/**
 * One person's vault. Its RPC surface stands in `surface/`, one class a resource; what happens is in the parts, which
 * `assemble.ts` puts together.
 */
export class UserVault extends OperatorSurface {
  static override options = { hibernate: true };

  override async alarm(): Promise<void> {
    const parts = this[held];
    if (parts?.deletion.begun === true) return this[bury]();
    await parts?.jobs.run(parts.housekeeping.handlers);
  }
}
