/** A name that a shell accepts (POSIX.1-2024, section 3.216). */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

export function isVariableName(text: string): boolean {
  return VARIABLE.test(text);
}

/**
 * Writes a value without quotes if no character is special, otherwise in single quotes, in which every parser takes all
 * characters literally. Only a value that contains a single quote goes into double quotes with the shell's escapes: libraries
 * differ there, and some keep `\$` or `\"` as it is.
 */
export function quoteDotenv(value: string): string {
  if (PLAIN.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replaceAll(/[\\"$`]/g, String.raw`\$&`)}"`;
}
