import type * as z from "zod";
import type { ReactNode } from "react";
import type { Receipt } from "../../api/schema.ts";
import { Icon } from "../shell/icons.tsx";
import { Facts } from "./page.tsx";
import { exact, When } from "./time.tsx";

/** What a revocation did: it is over when this is shown. */
export function ReceiptView({ of, done = "Revoked" }: { of: z.output<typeof Receipt>; done?: string }): ReactNode {
  return (
    <div className="receipt" role="status">
      <p className="receipt-head">
        <Icon name="check" size={18} /> {done} at {exact(of.revoked_at)}
      </p>
      <Facts
        of={[
          ["Streams cut", of.streams_cut],
          ["Sessions closed", of.sessions_closed],
          ["Still in flight", of.in_flight],
          ["Last used", <When key="used" at={of.last_used_at} />],
        ]}
      />
    </div>
  );
}
