/* Show the strength of a new password while it is typed. The server validates it again, also against common passwords. */

const LEAST = 10;
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
const LINES = ROWS.flatMap((row) => [row, [...row].reverse().join("")]);

const core = (text) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "")
    .replace(/^\p{N}+|\p{N}+$/gu, "");

const reversed = (text) => [...text].reverse().join("");

// The person's company, name and email, as far as the form contains them.
const own = (form) =>
  ["company", "name", "email", "username"]
    .map((name) => form.elements[name]?.value ?? "")
    .flatMap((text) => [text, text.split("@")[0], ...text.split(/[^\p{L}\p{N}]+/u)])
    .map(core)
    .filter(Boolean);

// The number of characters that neither repeat their predecessor nor continue a keyboard row.
const surprises = (characters) =>
  characters.filter((it, at) => {
    const before = characters[at - 1]?.toLowerCase();
    const pair = `${before}${it.toLowerCase()}`;
    return (
      before === undefined || (before !== it.toLowerCase() && !LINES.some((line) => line.includes(pair)))
    );
  }).length;

const judge = (password, form) => {
  const characters = [...password.normalize("NFKC")];
  const missing = LEAST - characters.length;
  if (missing > 0) return [1, `Too short: ${missing} more ${missing === 1 ? "character" : "characters"}.`];
  const mine = core(password);
  if (mine && own(form).some((it) => it === mine || it === reversed(mine)))
    return [1, "Do not use your name, email address or company."];
  const worth = Math.min(surprises(characters), 2 * new Set(password.toLowerCase()).size);
  if (worth < 8) return [1, "Weak: easy to guess."];
  if (worth < 12) return [2, "Fair: a longer one is safer."];
  return worth < 16 ? [3, "Good."] : [4, "Strong."];
};

document.addEventListener("input", ({ target }) => {
  const form = target.form;
  const field = form?.querySelector("[data-strength]");
  if (!field) return;
  const strength = field.closest(".new-password").querySelector(".strength");
  strength.hidden = field.value === "";
  if (strength.hidden) return;
  const [value, words] = judge(field.value, form);
  strength.querySelector("meter").value = value;
  const status = strength.querySelector("[role=status]");
  if (status.textContent !== words) status.textContent = words;
});
