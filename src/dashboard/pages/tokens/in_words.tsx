import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import type { Key } from "../../data/key_names.ts";
import { FormFault } from "../../ui/form.tsx";
import { Card } from "../../ui/page.tsx";
import { policyInWords } from "../../ui/words.ts";
import type { Policy } from "./policy.ts";

type InWordsProps = {
  policy: Policy;
  keys: readonly Key[];
  error: Error | null | undefined;
  /** Fields that show their own faults. */
  fields: readonly string[];
  busy: boolean;
  /** What the button says. */
  submit: string;
  onCancel: () => void;
};

/** Beside a policy's builder: what it says in words, what is wrong with the form, and how to send it. */
export function InWords({ policy, keys, error, fields, busy, submit, onCancel }: InWordsProps): ReactNode {
  return (
    <Card title="In words" sticky>
      <p className="sentence" aria-live="polite">
        {policyInWords(policy, new Map(keys.map(({ id, name }) => [id, name])))}
      </p>
      <FormFault error={error} fields={fields} />
      <div className="form-foot">
        <Button type="submit" variant="primary" loading={busy}>
          {submit}
        </Button>
        <Button type="button" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </Card>
  );
}
