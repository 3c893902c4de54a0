/*
 * One page of the B+-tree of btree.h: its arrays, and what is done within them.
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
 * serves both kinds.
 *
 * A slot of a leaf can also hold the number of an item that is not made yet: a tree built
 * from two arrays then costs two copies, not one object an interval. Slots move from page
 * to page as they are, so no change has to make an item; only the caller does, for
 * somebody who asks, with the bounds that the page has.
 */
#ifndef KSM_RMAP_BTREE_PAGE_H
#define KSM_RMAP_BTREE_PAGE_H

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

#endif
