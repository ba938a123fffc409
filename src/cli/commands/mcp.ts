import type { Command } from "commander";
import { Bridge } from "../bridge/bridge.ts";
import { Upstream } from "../bridge/upstream.ts";
import { locker } from "../client.ts";
import { choice, command, type Common } from "../command.ts";
import { credentials } from "../profiles.ts";
import { usage } from "../failure.ts";
import { bridgeWay, CLIENT_NAMES, recipeFor, type Way } from "../mcp_config.ts";
import { note, say, sayJson } from "../terminal.ts";

/** MCP on this computer. */
export function mcpCommands(program: Command): void {
  const mcp = command(program, "mcp", "carry MCP between a client on this computer and the locker (stdio)").action(
    bridge,
  );
  command(mcp, "config", "show how to connect an MCP client")
    .addOption(choice("--client <client>", "which client", CLIENT_NAMES).makeOptionMandatory())
    .option("--remote", "connect it to the locker itself, where it signs in with OAuth, not to this program")
    .action(config);
}

async function bridge({ profile }: Common): Promise<void> {
  const { url } = await locker({ profile });
  // Looked up anew when it is refused: somebody may have signed in again meanwhile.
  const token = async () => {
    const now = await credentials(profile);
    return now?.url === url ? now.token : undefined;
  };
  await new Bridge(new Upstream({ url, token }), process.stdout, (line) => note(`apilocker mcp: ${line}`)).run(
    process.stdin,
  );
}

type ConfigOptions = Common & { client: string; remote?: boolean };

async function config({ client, remote = false, profile, json }: ConfigOptions, { parent }: Command): Promise<void> {
  const said = profile ?? parent?.opts<Common>().profile;
  const way: Way = remote
    ? { kind: "remote", url: `${(await locker({ profile: said })).url}/v1/mcp` }
    : bridgeWay(said, process.platform);
  const recipe = recipeFor(client, way, process.platform);
  if ("no" in recipe) throw usage(recipe.no);
  if (json === true) return sayJson({ client, ...recipe });
  note(`${recipe.where}:`);
  say(recipe.text);
}
