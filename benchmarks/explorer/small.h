/* The relation of small_model.py in C: the same states, byte by byte, and the same steps.
 *
 * For Spin (small.pml) and for a search in C (search.c), so that engines are compared and not
 * relations. figures.py compares the number of states at each depth with small_model.py.
 */
#include <string.h>

typedef unsigned char byte_t;

enum { ALIVE = 32, PARENT = 34, CONTENT = 42, ITEM = 50, SIZE = 82, KSM = 4 };

/* Every step has a number: that of its process times MOST, plus its kind, plus page and so on. */
enum {
  MMAP = 0,             /* + page, two pages: + 4 */
  MUNMAP = MMAP + 8,    /* + page, the VMA that begins with the page: + 4 */
  WRITE = MUNMAP + 8,   /* + 2 * page + content - 1 */
  FORK = WRITE + 8,
  EXIT = FORK + 1,
  MADVISE = EXIT + 1,   /* + first page of the VMA */
  MREMAP = MADVISE + 4, /* + 4 * from + to */
  MERGE = MREMAP + 16,  /* + 8 * page + other page of the two processes */
  VISIT = MERGE + 32,   /* + page */
  MOST = VISIT + 4
};

static int same_vma(const byte_t *s, int at) {
  return (at & 15) && s[at] && s[at - 4] && s[at] == s[at - 4] + 1 && s[at + 1] == s[at - 3] &&
         s[at + 2] == s[at - 2];
}

static int first_of(const byte_t *s, int at) {
  while (same_vma(s, at)) at -= 4;
  return at;
}

static int end_of(const byte_t *s, int at) {
  do at += 4;
  while ((at & 15) && same_vma(s, at));
  return at;
}

static unsigned in_use(const byte_t *s, int start, int end, int step) {
  unsigned used = 0;
  for (int at = start; at < end; at += step) used |= 1u << s[at];
  return used;
}

static int new_folio(byte_t *s, int content) {
  unsigned used = in_use(s, 3, ALIVE, 4);
  int name = 1;
  while ((used >> name & 1) || s[CONTENT + name - 1]) name++;
  s[CONTENT + name - 1] = content;
  return name;
}

static int new_anon_vma(byte_t *s, int parent) {
  unsigned used =
      in_use(s, 2, ALIVE, 4) | in_use(s, PARENT, CONTENT, 1) | in_use(s, ITEM + 1, SIZE, 4);
  int name = 1;
  while (used >> name & 1) name++;
  s[PARENT + name - 1] = parent;
  return name;
}

static int near_anon_vma(const byte_t *s, int edge, int step) {
  int other = edge + 4 * step;
  if (other < 0 || other >= ALIVE || other >> 4 != edge >> 4 || !s[other]) return 0;
  if (s[other] != s[edge] + step || s[other + 1] != s[edge + 1]) return 0;
  return s[other + 2];
}

static void prepare(byte_t *s, int at) {
  if (s[at + 2]) return;
  int first = first_of(s, at), end = end_of(s, at), name = near_anon_vma(s, end - 4, 1);
  if (!name) name = near_anon_vma(s, first, -1);
  if (!name) name = new_anon_vma(s, 0);
  for (int page = first; page < end; page += 4) s[page + 2] = name;
}

static void copy_page(byte_t *s, int at) {
  int folio = s[at + 3];
  if (folio && (s[CONTENT + folio - 1] & KSM)) {
    s[at + 3] = 0;
    s[at + 3] = new_folio(s, s[CONTENT + folio - 1] & 3);
  }
}

static void make_item(byte_t *s, int at, int folio) {
  s[ITEM + at] = folio;
  s[ITEM + at + 1] = s[at + 2];
  s[ITEM + at + 2] = s[at];
  s[ITEM + at + 3] = s[first_of(s, at)];
}

/* New names of anon_vmas, and the old names in the order of the new ones. */
struct names {
  byte_t given[32], queue[32];
  int count;
};

static int rename_anon_vma(struct names *names, int name) {
  if (!names->given[name]) {
    names->queue[names->count++] = name;
    names->given[name] = names->count;
  }
  return names->given[name];
}

static void canonical(const byte_t *s, byte_t *out) {
  struct names names = {0};
  byte_t folios[32] = {0};
  int last = 0, first = 0;
  memset(out, 0, SIZE);
  memcpy(out + ALIVE, s + ALIVE, 2);
  for (int at = 0; at < ALIVE; at += 4) {
    int folio = s[at + 3];
    out[at] = s[at];
    out[at + 1] = s[at + 1];
    if (s[at + 2]) out[at + 2] = rename_anon_vma(&names, s[at + 2]);
    if (!folio) continue;
    if (!folios[folio]) {
      int content = s[CONTENT + folio - 1];
      folios[folio] = ++last;
      if (!first) first = content & 3;
      out[CONTENT + last - 1] = (content & KSM) | ((content & 3) == first ? 1 : 2);
    }
    out[at + 3] = folios[folio];
  }
  for (int at = ITEM; at < SIZE; at += 4) {
    if (!folios[s[at]]) continue;
    out[at] = folios[s[at]];
    out[at + 1] = rename_anon_vma(&names, s[at + 1]);
    out[at + 2] = s[at + 2];
    out[at + 3] = s[at + 3];
  }
  for (int done = 0; done < names.count; done++) {
    int parent = s[PARENT + names.queue[done] - 1];
    if (parent) out[PARENT + done] = rename_anon_vma(&names, parent);
  }
}

static int do_munmap(byte_t *t, int at, int whole) {
  int end = whole ? end_of(t, at) : at + 4;
  if (!t[at] || (whole && (same_vma(t, at) || end == at + 4))) return 0;
  memset(t + at, 0, end - at);
  return 1;
}

static int do_mmap(byte_t *t, int at, int two) {
  int page = (at & 15) / 4;
  if (t[at] || (two && (page == 3 || t[at + 4]))) return 0;
  t[at] = page + 1;
  if (two) t[at + 4] = page + 2;
  return 1;
}

static int do_write(byte_t *t, int at, int content) {
  int folio = t[at + 3], held = folio ? t[CONTENT + folio - 1] : 0, sharers = 0;
  if (!t[at]) return 0;
  for (int page = 3; page < ALIVE; page += 4) sharers += t[page] == folio;
  if (folio && !(held & KSM) && sharers == 1) {
    t[CONTENT + folio - 1] = content;
    return held != content;
  }
  prepare(t, at);
  t[at + 3] = 0;
  t[at + 3] = new_folio(t, content);
  return 1;
}

static int do_fork(byte_t *t, int p) {
  int child = 16 - 16 * p;
  byte_t born[32] = {0};
  if (t[ALIVE + 1 - p] || in_use(t, 16 * p, 16 * p + 16, 4) <= 1) return 0;
  t[ALIVE + 1 - p] = 1;
  memcpy(t + child, t + 16 * p, 16);
  for (int at = child; at < child + 16; at += 4) {
    int parent = t[at + 2];
    if (parent && !born[parent]) born[parent] = new_anon_vma(t, parent);
    t[at + 2] = born[parent];
  }
  return 1;
}

static int do_exit(byte_t *t, int p) {
  if (in_use(t, 16 * p, 16 * p + 16, 4) <= 1) return 0;
  memset(t + 16 * p, 0, 16);
  memset(t + ITEM + 16 * p, 0, 16);
  t[ALIVE + p] = 0;
  return 1;
}

static int do_madvise(byte_t *t, int at) {
  int flag = t[at + 1], end = end_of(t, at);
  if (!t[at] || same_vma(t, at)) return 0;
  for (int page = at; page < end; page += 4) {
    if (flag) copy_page(t, page);
    t[page + 1] = !flag;
  }
  return 1;
}

static int do_mremap(byte_t *t, int at, int to) {
  if (!t[at] || at == to) return 0;
  memset(t + to, 0, 4);
  if (t[at + 1]) copy_page(t, at);
  memcpy(t + to, t + at, 4);
  if (!t[at + 2]) t[to] = (to & 15) / 4 + 1;
  memset(t + at, 0, 4);
  return 1;
}

static int do_merge(byte_t *t, int at, int other) {
  int one = t[at + 3], two = t[other + 3];
  if (!one || !two || one == two || !t[at + 1] || !t[other + 1]) return 0;
  int held = t[CONTENT + one - 1];
  if (t[CONTENT + two - 1] != (held & 3)) return 0;
  t[CONTENT + one - 1] = held | KSM;
  t[other + 3] = one;
  if (!(held & KSM)) make_item(t, at, one);
  make_item(t, other, one);
  return 1;
}

static int do_visit(byte_t *t, int at) {
  int folio = t[at + 3];
  if (!folio || !t[at + 1] || t[ITEM + at] == folio) return 0;
  if (!(t[CONTENT + folio - 1] & KSM)) return 0;
  make_item(t, at, folio);
  return 1;
}

static int apply(byte_t *t, int p, int step) {
  int base = 16 * p;
  if (step >= VISIT) return do_visit(t, base + 4 * (step - VISIT));
  if (step >= MERGE) return do_merge(t, base + 4 * ((step - MERGE) / 8), 4 * ((step - MERGE) % 8));
  if (step >= MREMAP)
    return do_mremap(t, base + 4 * ((step - MREMAP) / 4), base + 4 * ((step - MREMAP) % 4));
  if (step >= MADVISE) return do_madvise(t, base + 4 * (step - MADVISE));
  if (step == EXIT) return do_exit(t, p);
  if (step == FORK) return do_fork(t, p);
  if (step >= WRITE) return do_write(t, base + 4 * ((step - WRITE) / 2), 1 + (step - WRITE) % 2);
  if (step >= MUNMAP) return do_munmap(t, base + 4 * ((step - MUNMAP) % 4), step - MUNMAP >= 4);
  return do_mmap(t, base + 4 * (step % 4), step >= 4);
}

/* Make a step from `s` to `out`; 0: it cannot be made. */
static int small_step(const byte_t *s, int step, byte_t *out) {
  byte_t t[SIZE];
  int p = step / MOST;
  if (!s[ALIVE + p]) return 0;
  memcpy(t, s, SIZE);
  if (!apply(t, p, step % MOST)) return 0;
  canonical(t, out);
  return 1;
}

static int linked(const byte_t *s, int at, int anon_vma) {
  int own = s[at + 2];
  while (own && own != anon_vma) own = s[PARENT + own - 1];
  return own && own == anon_vma;
}

/* The pages, as a set of bits, at which a walk finds a folio: 0 all, 1 address, 2 vm_pgoff. */
static unsigned finds(const byte_t *s, int folio, int walk) {
  unsigned found = 0;
  for (int item = ITEM; item < SIZE; item += 4) {
    int page = (item - ITEM) & 15, key = walk == 1 ? page / 4 + 1 : s[item + 3];
    if (s[item] != folio) continue;
    for (int at = page; at < ALIVE; at += 16) {
      if (s[at + 3] != folio || !linked(s, at, s[item + 1])) continue;
      if (!walk || (s[first_of(s, at)] <= key && key <= s[end_of(s, at) - 4]))
        found |= 1u << at / 4;
    }
  }
  return found;
}

/* Whether a walk misses what the walk of everything finds: 1 address, 2 vm_pgoff. */
static int small_misses(const byte_t *s, int walk) {
  for (int folio = 1; folio <= 8; folio++)
    if ((s[CONTENT + folio - 1] & KSM) && (finds(s, folio, 0) & ~finds(s, folio, walk))) return 1;
  return 0;
}
