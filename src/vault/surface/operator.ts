import { answerAsync, type Answer } from "../answer.ts";
import { rotateDataKey } from "../keys/reseal.ts";
import { restored, type Restored } from "../account/restoration.ts";
import { bury, live } from "../surface.ts";
import { ApprovalSurface } from "./approvals.ts";

/** What whoever runs the deployment may ask (`api/operator.ts`): nothing of it shows or changes what is anybody's. */
export abstract class OperatorSurface extends ApprovalSurface {
  /** Wraps the data keys under the current root key (SECURITY S19). */
  rewrap(): Promise<Answer<{ root_id: string }>> {
    return answerAsync(() => this[live]("gone").sealer.data_keys.rewrap());
  }

  /** A new data key; all that is live is sealed anew. */
  rotateDataKey(): Promise<Answer<{ data_key: number }>> {
    return answerAsync(() => rotateDataKey(this[live]("gone")));
  }

  /** Catches up with what D1 has of later than this vault, should a restore have put it back (SECURITY S18). */
  restored(): Promise<Answer<Restored>> {
    return answerAsync(async () => {
      const found = await restored(this[live]("gone"));
      if (found.outcome === "deleted") await this[bury]();
      return found;
    });
  }
}
