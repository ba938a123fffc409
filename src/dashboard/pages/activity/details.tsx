import type { ReactNode } from "react";
import { Link } from "wouter";
import { Modal } from "../../ui/dialog.tsx";
import { Facts } from "../../ui/page.tsx";
import { exact } from "../../ui/time.tsx";
import { dollars } from "../../ui/words.ts";
import { BringBack } from "./bring_back.tsx";
import { actorOf, Outcome, type Row } from "./words.tsx";

/** Everything on record about one row: who, what, where, the rule that decided, and its place in the chain. */
export function RowDetails({ of, onClose }: { of: Row | undefined; onClose: () => void }): ReactNode {
  return (
    <Modal title={of === undefined ? "" : titleOf(of)} open={of !== undefined} onClose={onClose} size="lg">
      {of === undefined ? null : <Body of={of} />}
    </Modal>
  );
}

function titleOf({ action, method, path }: Row): string {
  return path === undefined ? action : `${method ?? ""} ${path}`;
}

function Body({ of }: { of: Row }): ReactNode {
  return (
    <div className="stack">
      <Facts
        of={[
          ["When", exact(of.at)],
          ["Who", `${actorOf(of)} (${of.actor.kind})`],
          ["Action", of.action],
          ["Outcome", <Outcome key="outcome" of={of} />],
          of.count !== undefined && [
            "Stands for",
            `${of.count.toLocaleString()} more calls that the rule refused within a minute`,
          ],
          of.rule !== undefined && ["Decided by the rule", <code key="rule">{of.rule}</code>],
          of.key !== undefined && [
            "Key",
            <Link key="key" className="link" href={`/keys/${of.key}`}>
              {of.key_name ?? of.key}
            </Link>,
          ],
          of.key_version !== undefined && ["Its version", of.key_version],
          of.provider !== undefined && ["Provider", of.provider],
          of.host !== undefined && ["Host", of.host],
          of.subject !== undefined && ["About", of.subject],
          of.status !== undefined && ["Status", of.status],
          of.usd !== undefined && [
            "Cost",
            `${dollars(of.usd)}${of.usd_estimated === true ? " at most, estimated" : ""}`,
          ],
          of.would_refuse !== undefined && [
            "Rule on trial that would refuse",
            <code key="trial">{of.would_refuse}</code>,
          ],
          of.latency_ms !== undefined && ["Latency", `${of.latency_ms} ms`],
          of.bytes_in !== undefined && ["Received", `${of.bytes_in.toLocaleString()} B`],
          of.bytes_out !== undefined && ["Sent", `${of.bytes_out.toLocaleString()} B`],
          ["From", of.country === "XX" ? of.ip : `${of.ip} (${of.country})`],
          of.user_agent !== undefined && of.user_agent !== "" && ["Program", of.user_agent],
        ]}
      />
      <BringBack of={of} />
      <div className="chain">
        <h3>In the chain</h3>
        <p className="lead">
          Each row carries the hash of the one before. Changing any of them breaks every later one.
        </p>
        <Facts
          of={[
            ["Row", of.seq],
            ["Id", <code key="id">{of.id}</code>],
            ["This hash", <code key="hash">{of.hash}</code>],
            ["The one before", <code key="prev">{of.prev === "" ? "the beginning" : of.prev}</code>],
          ]}
        />
      </div>
    </div>
  );
}
