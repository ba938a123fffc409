import type { ReactNode } from "react";
import { useLive } from "../data/live.ts";
import { Status } from "./status.tsx";

/** Whether what is shown is told as it happens. */
export function LiveMark(): ReactNode {
  const state = useLive();
  if (state === "live") return <Status tone="good">Live</Status>;
  return <Status tone="quiet">{state === "connecting" ? "Connecting" : "Reconnecting"}</Status>;
}
