/** The questions that are asked, and no others of their library: the one file that the command line is stays small. */
export { confirm, multiselect, password, select, spinner, text } from "@clack/prompts";
