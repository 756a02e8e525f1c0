/* A card's brand, grouping and check digit, from its number. */

const BRANDS = [
  // name, first digits, lengths, digits of the security code, groups
  ["amex", /^3[47]/, [15], 4, [4, 6, 5]],
  ["diners", /^3(?:0[0-5]|[689])/, [14, 16, 19], 3, [4, 6, 4, 5]],
  ["visa", /^4/, [13, 16, 19], 3],
  ["mastercard", /^(?:5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720))/, [16], 3],
  ["discover", /^6(?:011|4[4-9]|5)/, [16, 19], 3],
  ["jcb", /^35/, [16, 19], 3],
  ["unionpay", /^62/, [16, 17, 18, 19], 3],
  ["maestro", /^(?:5[06-9]|6)/, [12, 13, 14, 15, 16, 17, 18, 19], 3],
];

export const digits = (words) => words.replace(/\D/g, "");
export const brandOf = (number) => BRANDS.find(([, start]) => start.test(number)) ?? [null, null, null, 3];

export const inGroups = (number, sizes = [4, 4, 4, 4, 3]) => {
  let from = 0;
  const groups = sizes.map((size) => {
    from += size;
    return number.slice(from - size, from);
  });
  return groups.filter(Boolean).join(" ");
};

// The Luhn check of a card number.
export const checksOut = (number) =>
  [...number].reverse().reduce((sum, digit, place) => {
    const worth = digit * (place % 2 ? 2 : 1);
    return sum + (worth > 9 ? worth - 9 : worth);
  }, 0) %
    10 ===
  0;
