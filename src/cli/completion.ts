import type { Command } from "commander";

export const COMPLETED = ["bash", "zsh", "fish"] as const;
export type Completed = (typeof COMPLETED)[number];

/** A command as its words, and what may follow it. */
type Place = { path: string; words: { word: string; description: string }[] };

/** A script that makes a shell complete our commands and options. Nothing is asked of the locker while somebody types. */
export function completionFor(shell: Completed, program: Command): string {
  const places = placesIn(program, []);
  switch (shell) {
    case "bash":
      return bash(places);
    case "zsh":
      return `#compdef apilocker\n${bash(places, "zsh")}`;
    case "fish":
      return fish(places);
  }
}

function placesIn(command: Command, path: string[]): Place[] {
  const children = visible(command);
  const words = [
    ...children.flatMap((child) => namesOf(child).map((word) => ({ word, description: child.description() }))),
    ...command.options
      .filter(({ hidden }) => !hidden)
      .flatMap(({ long, description }) => (long ? [{ word: long, description }] : [])),
  ];
  const below = children.flatMap((child) => namesOf(child).flatMap((name) => placesIn(child, [...path, name])));
  return [{ path: path.join("/"), words }, ...below];
}

function visible(command: Command): Command[] {
  return command.commands.filter((child) => !child.name().startsWith("_"));
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()];
}

/**
 * Which command the words so far are in is found by walking them; the same in both shells but for how words are counted. zsh's may be
 * sourced, or lie in `fpath` as `_apilocker`, where the file itself is what is called first.
 */
function bash(places: readonly Place[], shell: "bash" | "zsh" = "bash"): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  const cases = places.map(({ path, words }) => `    '${path}') words='${words.map(({ word }) => word).join(" ")}' ;;`);
  const walk = `  for word in ${shell === "bash" ? '"${COMP_WORDS[@]:1:COMP_CWORD-1}"' : '"${(@)words[2,CURRENT-1]}"'}; do
    case " $paths " in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; esac
  done`;
  const list = cases.join("\n");
  if (shell === "bash")
    return `_apilocker() {
  local cur=\${COMP_WORDS[COMP_CWORD]} word path='' words='' paths='${paths.join(" ")}'
${walk}
  case "$path" in
${list}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _apilocker apilocker
`;
  return `_apilocker() {
  local word path='' found='' paths='${paths.join(" ")}'
${walk}
  case "$path" in
${list.replace(/words=/g, "found=")}
  esac
  compadd -- \${(s: :)found} || _files
}
if [ "$funcstack[1]" = _apilocker ]; then _apilocker "$@"; else compdef _apilocker apilocker; fi
`;
}

function fish(places: readonly Place[]): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  const lines = places.flatMap(({ path, words }) =>
    words.map(({ word, description }) => {
      const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c apilocker -n "__apilocker_at '${path}'" ${what} -d '${description.replace(/[\\']/g, "\\$&")}'`;
    }),
  );
  return `function __apilocker_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -l -c / -- "$path/$word")
    contains -- $next ${paths.join(" ")}; and set path $next
  end
  test "$path" = "$argv[1]"
end
complete -c apilocker -f
${lines.join("\n")}
`;
}
