/*
 * An augmented B+-tree of closed intervals [start, last] over 0 .. 2^64 - 1.
 *
 * Rules of this file:
 *
 * 1. It knows nothing of Python. An item is a struct that the caller embeds in something
 *    larger; the tree never allocates or frees an item.
 * 2. Order is (start, insertion): of equal starts, the one inserted first comes first.
 * 3. Every allocation happens before the first change that depends on it, so a call that
 *    returns -1 (out of memory) leaves the tree as it was in every observable way.
 * 4. Removal allocates nothing and cannot fail.
 *
 * One page, leaf or branch, is three parallel arrays:
 *
 *                  slot 0    slot 1    slot 2
 *        starts       0        40        90       first start below the slot
 *        lasts       75        88      2^64-1     greatest last below the slot
 *        slots        |         |         |       child page; in a leaf: item or number
 *                     v         v         v
 *
 * In a leaf the two bounds of a slot are the bounds of its item, so one search loop
 * serves both kinds. A search for [a, b] looks at the slots with starts <= b, which are a
 * prefix, and enters those with lasts >= a.
 *
 * A slot of a leaf can also hold the number of an item that is not made yet: a tree built
 * from two arrays then costs two copies, not one object an interval. Slots move from page
 * to page as they are, so no change has to make an item; only the caller does, for
 * somebody who asks, with the bounds that the page has.
 *
 * Why a search is cheap in the worst case: a branch also knows, of each slot, the second
 * greatest last and the one item that has the greatest. Where only that item reaches a, it
 * is an answer and nobody has to walk to its leaf. So a page that lies wholly before the
 * end of the prefix is entered for two answers or more. Only the last slot of the prefix
 * can lead to a page with fewer, and there is one such slot a level: a search with k
 * answers enters at most (k / 2 + 1) * height pages; one for many answers if they are
 * neighbours, none at all for long intervals that lie far apart.
 */
#ifndef KSM_RMAP_BTREE_H
#define KSM_RMAP_BTREE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef BT_MALLOC
#define BT_MALLOC malloc
#define BT_FREE free
#endif

#if defined(__GNUC__)
#define BT_INLINE static inline __attribute__((always_inline))
#else
#define BT_INLINE static inline
#endif

#define BT_PAGE 32      /* most slots in a page */
#define BT_FOUR 4       /* slots that a search copies at a time */
#define BT_HEIGHT 64    /* more than any tree in memory can reach: each branch has >= 2 */

struct bt_page {
	struct bt_page *parent; /* NULL in the root */
	uint32_t count;         /* slots in use */
	uint32_t height;        /* 0 in a leaf */
	uint64_t rank;          /* of the first item, valid only after bt_number() */
	uint64_t starts[BT_PAGE];
	uint64_t lasts[BT_PAGE];
	void *slots[BT_PAGE + BT_FOUR - 1]; /* the copy of the last slot may read past it */
};

struct bt_item {
	uint64_t start, last;   /* both inclusive */
	struct bt_page *leaf;   /* the page that holds the item; NULL outside a tree */
};

/* What a branch knows of a slot beside its start and last. */
struct bt_branch {
	struct bt_page page;
	uint64_t seconds[BT_PAGE];        /* second greatest last below; 0 if there is one item */
	void *longest[BT_PAGE];           /* what has the greatest last; NULL if several have it */
};

#define BT_BRANCH(page) ((struct bt_branch *)(page))

struct bt {
	struct bt_page *root;   /* NULL in an empty tree */
	size_t size;            /* items */
	uint32_t limit;         /* slots a page may use: BT_PAGE, or less in tests */
	uint32_t minimum;       /* slots a page must use, the root excepted */
};

static inline void
bt_init(struct bt *tree, uint32_t limit)
{
	tree->root = NULL;
	tree->size = 0;
	tree->limit = limit;
	tree->minimum = limit / 4 > 2 ? limit / 4 : 2;
}

/* ---- items that are not made yet ---- */

/* Items are aligned, so an odd pointer is none: it is a number, shifted by one bit. */
static inline void *
bt_unmade(size_t number)
{
	return (void *)((uintptr_t)number << 1 | 1);
}

static inline int
bt_is_unmade(const void *slot)
{
	return (uintptr_t)slot & 1;
}

static inline size_t
bt_number_of(const void *slot)
{
	return (uintptr_t)slot >> 1;
}

/* ---- within one page ---- */

BT_INLINE uint32_t
bt_lowest(uint64_t slots)
{
#if defined(__GNUC__)
	return (uint32_t)__builtin_ctzll(slots);
#else
	uint32_t slot = 0;
	while (!(slots >> slot & 1))
		slot++;
	return slot;
#endif
}

/*
 * The slots with keys <= key (or < key), bit i for slot i, in a whole page: slots not in
 * use give any bit. No branch depends on a key, so none is mispredicted; no load waits for
 * another, as in a binary search, so the page comes out of memory at once. Of the two
 * loops one becomes vector instructions, the other is shorter where there are none.
 */
BT_INLINE uint64_t
bt_slots_to(const uint64_t *keys, uint64_t key, int inclusive, int vectors)
{
	uint64_t slots = 0;
	for (uint64_t i = 0; vectors && i < BT_PAGE; i++)
		slots |= (uint64_t)(inclusive ? keys[i] <= key : keys[i] < key) << i;
	for (uint32_t group = 0; !vectors && group < BT_PAGE; group += 8) {
		uint32_t some = 0;
		for (uint32_t i = 8; i-- > 0;)
			some += some + (inclusive ? keys[group + i] <= key : keys[group + i] < key);
		slots |= (uint64_t)some << group;
	}
	return slots;
}

/* How many slots of a page start at the key or before. */
static inline uint32_t
bt_upper(const struct bt_page *page, uint64_t key)
{
	uint64_t end = (uint64_t)1 << page->count;
	return bt_lowest(end | ~bt_slots_to(page->starts, key, 1, 0));
}

static inline uint32_t
bt_slot_of(const struct bt_page *page, const void *below)
{
	uint32_t slot = 0;
	while (page->slots[slot] != below)
		slot++;
	return slot;
}

/* What a slot says of the page below it. */
struct bt_bounds {
	uint64_t start, last, second;
	void *longest;
};

static inline struct bt_bounds
bt_bounds(const struct bt_page *page)
{
	struct bt_bounds of = {page->starts[0], 0, 0, NULL};
	uint32_t at = 0;
	for (uint32_t i = 0; i < page->count; i++) {
		uint64_t last = page->lasts[i], lesser = last > of.last ? of.last : last;
		at = last > of.last ? i : at;
		of.last = last > of.last ? last : of.last;
		of.second = lesser > of.second ? lesser : of.second;
	}
	if (page->height && BT_BRANCH(page)->seconds[at] > of.second)
		of.second = BT_BRANCH(page)->seconds[at];
	if (of.second < of.last)
		of.longest = page->height ? BT_BRANCH(page)->longest[at] : page->slots[at];
	return of;
}

/* Tell what lies in a slot which page it lies in now. */
static inline void
bt_adopt(struct bt_page *page, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (page->height)
			((struct bt_page *)page->slots[i])->parent = page;
		else if (!bt_is_unmade(page->slots[i]))
			((struct bt_item *)page->slots[i])->leaf = page;
	}
}

static inline void
bt_move(struct bt_page *to, uint32_t at, const struct bt_page *from, uint32_t slot,
	uint32_t count)
{
	memmove(to->starts + at, from->starts + slot, count * sizeof *to->starts);
	memmove(to->lasts + at, from->lasts + slot, count * sizeof *to->lasts);
	memmove(to->slots + at, from->slots + slot, count * sizeof *to->slots);
	if (to->height) {
		struct bt_branch *branch = BT_BRANCH(to), *other = BT_BRANCH(from);
		memmove(branch->seconds + at, other->seconds + slot, count * sizeof *branch->seconds);
		memmove(branch->longest + at, other->longest + slot, count * sizeof *branch->longest);
	}
}

static inline void
bt_set(struct bt_page *page, uint32_t slot, uint64_t start, uint64_t last, void *below)
{
	page->starts[slot] = start;
	page->lasts[slot] = last;
	page->slots[slot] = below;
}

static inline void
bt_put(struct bt_page *page, uint32_t slot, uint64_t start, uint64_t last, void *below)
{
	bt_move(page, slot + 1, page, slot, page->count - slot);
	bt_set(page, slot, start, last, below);
	page->count++;
}

static inline void
bt_erase(struct bt_page *page, uint32_t slot)
{
	page->count--;
	bt_move(page, slot, page, slot + 1, page->count - slot);
}

/* Make the bounds of a slot those of its child; tell whether they changed. */
static inline int
bt_refresh(struct bt_page *page, uint32_t slot)
{
	struct bt_branch *branch = BT_BRANCH(page);
	struct bt_bounds now = bt_bounds(page->slots[slot]);
	int changed = page->starts[slot] != now.start || page->lasts[slot] != now.last ||
		      branch->seconds[slot] != now.second || branch->longest[slot] != now.longest;
	page->starts[slot] = now.start;
	page->lasts[slot] = now.last;
	branch->seconds[slot] = now.second;
	branch->longest[slot] = now.longest;
	return changed;
}

static inline void
bt_put_child(struct bt_page *page, uint32_t slot, struct bt_page *child)
{
	bt_put(page, slot, 0, 0, child);
	bt_refresh(page, slot);
	child->parent = page;
}

/* Bounds are zero where no slot is in use yet, for searches compare whole pages. */
static inline struct bt_page *
bt_new_page(uint32_t height)
{
	size_t size = height ? sizeof(struct bt_branch) : sizeof(struct bt_page);
	struct bt_page *page = BT_MALLOC(size);
	if (page) {
		memset(page, 0, height ? size : offsetof(struct bt_page, slots));
		page->height = height;
	}
	return page;
}

/* ---- insertion ---- */

/*
 * Split the full child in a slot of a branch that has room; the right half is returned.
 * A key that goes to either end leaves the other part nearly full, so that intervals
 * inserted in ascending or descending order fill three quarters of each page.
 */
static struct bt_page *
bt_split(const struct bt *tree, struct bt_page *parent, uint32_t slot, uint64_t start)
{
	struct bt_page *left = parent->slots[slot];
	struct bt_page *right = bt_new_page(left->height);
	if (!right)
		return NULL;
	uint32_t at = bt_upper(left, start);
	uint32_t cut = at == left->count ? at - tree->minimum
		     : at == 0           ? tree->minimum
					 : left->count / 2;
	right->count = left->count - cut;
	bt_move(right, 0, left, cut, right->count);
	bt_adopt(right, 0, right->count);
	left->count = cut;
	bt_refresh(parent, slot);
	bt_put_child(parent, slot + 1, right);
	return right;
}

/* Put a branch with one slot above the root. */
static int
bt_grow(struct bt *tree)
{
	struct bt_page *old = tree->root;
	struct bt_page *root = bt_new_page(old ? old->height + 1 : 0);
	if (!root)
		return -1;
	if (old)
		bt_put_child(root, 0, old);
	tree->root = root;
	return 0;
}

/* Undo bt_grow() when the split that it was for could not be made. */
static void
bt_shrink(struct bt *tree)
{
	while (tree->root && (tree->root->count == 0 || (tree->root->height && tree->root->count == 1))) {
		struct bt_page *old = tree->root;
		tree->root = old->count ? old->slots[0] : NULL;
		if (tree->root)
			tree->root->parent = NULL;
		BT_FREE(old);
	}
}

/* Widen the bounds of one slot; tell whether they changed. */
static inline int
bt_widen_slot(struct bt_page *page, uint32_t slot, struct bt_item *item)
{
	struct bt_branch *branch = BT_BRANCH(page);
	int earlier = item->start < page->starts[slot];
	if (earlier)
		page->starts[slot] = item->start;
	if (item->last > page->lasts[slot]) {
		branch->seconds[slot] = page->lasts[slot];
		branch->longest[slot] = item;
		page->lasts[slot] = item->last;
	} else if (item->last > branch->seconds[slot]) {
		branch->seconds[slot] = item->last;
		if (item->last == page->lasts[slot])
			branch->longest[slot] = NULL;
	} else {
		return earlier;
	}
	return 1;
}

/* Widen the bounds of the slots that were passed on the way down to a leaf. */
static inline void
bt_widen(struct bt_page *page, const uint8_t *path, struct bt_item *item)
{
	while ((page = page->parent) && bt_widen_slot(page, path[page->height], item))
		;
}

/* Ask for the arrays that an insertion moves, while their place is still looked for. */
static inline void
bt_fetch(const struct bt_page *page)
{
#if defined(__GNUC__)
	for (uint32_t i = 0; i < BT_PAGE; i += 8) {
		__builtin_prefetch(page->lasts + i, 1);
		__builtin_prefetch(page->slots + i, 1);
	}
#else
	(void)page;
#endif
}

/* Insert after all equal starts. O(log n). Return 0, or -1 without memory. */
static int
bt_insert(struct bt *tree, struct bt_item *item)
{
	uint8_t path[BT_HEIGHT];
	if ((!tree->root || tree->root->count == tree->limit) && bt_grow(tree))
		return -1;
	struct bt_page *page = tree->root;
	while (page->height) {
		uint32_t slot = bt_upper(page, item->start);
		slot -= slot > 0;
		struct bt_page *child = page->slots[slot];
		if (child->count == tree->limit) {
			struct bt_page *right = bt_split(tree, page, slot, item->start);
			if (!right) {
				bt_shrink(tree);
				return -1;
			}
			if (right->starts[0] <= item->start) {
				child = right;
				slot++;
			}
		}
		path[page->height] = (uint8_t)slot;
		page = child;
	}
	bt_fetch(page);
	uint32_t at = bt_upper(page, item->start);
	bt_put(page, at, item->start, item->last, item);
	item->leaf = page;
	bt_widen(page, path, item);
	tree->size++;
	return 0;
}

/* ---- removal ---- */

/* Move slots between two neighbours until the left one has `want`. */
static void
bt_even_out(struct bt_page *left, struct bt_page *right, uint32_t want)
{
	uint32_t had = left->count;
	if (want > had) {
		uint32_t take = want - had;
		bt_move(left, had, right, 0, take);
		bt_move(right, 0, right, take, right->count - take);
		right->count -= take;
		bt_adopt(left, had, want);
	} else {
		uint32_t give = had - want;
		bt_move(right, give, right, 0, right->count);
		bt_move(right, 0, left, want, give);
		right->count += give;
		bt_adopt(right, 0, give);
	}
	left->count = want;
}

/*
 * Mend the child in a slot that has too few slots, with the help of a neighbour: merge
 * the two if the result is at most three quarters full, else share evenly. Either way
 * it takes several further changes before one of the pages needs mending again.
 */
static void
bt_mend(const struct bt *tree, struct bt_page *parent, uint32_t slot)
{
	slot -= slot > 0;
	struct bt_page *left = parent->slots[slot], *right = parent->slots[slot + 1];
	uint32_t total = left->count + right->count;
	if (total <= tree->limit * 3 / 4) {
		bt_even_out(left, right, total);
		bt_erase(parent, slot + 1);
		BT_FREE(right);
	} else {
		bt_even_out(left, right, total / 2);
		bt_refresh(parent, slot + 1);
	}
	bt_refresh(parent, slot);
}

/* Whether a slot has the same bounds without an item that was below it. */
static inline int
bt_is_inside(const struct bt_page *page, uint32_t slot, const struct bt_item *item)
{
	return item->start > page->starts[slot] && item->last < BT_BRANCH(page)->seconds[slot];
}

/* Remove an item that is in this tree. O(log n); cannot fail. */
static void
bt_remove(struct bt *tree, struct bt_item *item)
{
	struct bt_page *page = item->leaf, *parent;
	bt_erase(page, bt_slot_of(page, item));
	item->leaf = NULL;
	tree->size--;
	for (; (parent = page->parent); page = parent) {
		uint32_t slot = bt_slot_of(parent, page);
		if (page->count < tree->minimum)
			bt_mend(tree, parent, slot);
		else if (bt_is_inside(parent, slot, item) || !bt_refresh(parent, slot))
			return;
	}
	bt_shrink(tree);
}

/* Put an item in a slot of a leaf, in place of one with the same bounds. */
static inline void
bt_replace(struct bt_page *leaf, uint32_t slot, struct bt_item *item)
{
	struct bt_page *page = leaf, *parent;
	void *old = leaf->slots[slot];
	leaf->slots[slot] = item;
	item->leaf = leaf;
	for (; (parent = page->parent); page = parent) {
		void **longest = &BT_BRANCH(parent)->longest[bt_slot_of(parent, page)];
		if (*longest != old)
			return;
		*longest = item;
	}
}

#endif
