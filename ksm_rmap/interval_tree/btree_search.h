/* Searches in the B+-tree of btree.h; none of them changes the tree. */
#ifndef KSM_RMAP_BTREE_SEARCH_H
#define KSM_RMAP_BTREE_SEARCH_H

#include "btree.h"

/* What one search touched; exact, counted by the search itself. */
struct bt_visits {
	size_t pages, entries;
};

/* Whether the item is in this tree. O(log n). */
static inline int
bt_holds(const struct bt *tree, const struct bt_item *item)
{
	const struct bt_page *page = item->leaf;
	if (!page)
		return 0;
	while (page->parent)
		page = page->parent;
	return page == tree->root;
}

/* A growing array of the items that a search found. */
struct bt_found {
	struct bt_item **items;
	size_t count, room;
	struct bt_item **stack;  /* where `items` points at first; not freed */
	struct bt_visits visits;
};

static inline int
bt_reserve(struct bt_found *found)
{
	if (found->count + BT_PAGE <= found->room)
		return 0;
	size_t room = found->room * 4;
	struct bt_item **items = BT_MALLOC(room * sizeof *items);
	if (!items)
		return -1;
	memcpy(items, found->items, found->count * sizeof *items);
	if (found->items != found->stack)
		BT_FREE(found->items);
	found->items = items;
	found->room = room;
	return 0;
}

/* The slots of a page that start at `last` or before; `inner`: all of them do. */
static inline uint32_t
bt_prefix(const struct bt_page *page, uint64_t last, int inner)
{
	if (inner)
		return page->count;
	return bt_upper(page->starts, page->count, last);
}

/* Collect what overlaps [start, last], in order. Return 0, or -1 without memory. */
static int
bt_collect(const struct bt_page *page, uint64_t start, uint64_t last, int inner,
	   struct bt_found *found)
{
	uint32_t stop = bt_prefix(page, last, inner);
	found->visits.pages++;
	found->visits.entries += stop;
	if (page->height) {
		for (uint32_t i = 0; i < stop; i++)
			if (page->lasts[i] >= start &&
			    bt_collect(page->slots[i], start, last, inner || i + 1 < stop, found))
				return -1;
		return 0;
	}
	if (bt_reserve(found))
		return -1;
	/* Store each item, keep it only if it ends late enough: no branch to mispredict. */
	struct bt_item **end = found->items + found->count;
	for (uint32_t i = 0; i < stop; i++) {
		*end = page->slots[i];
		end += page->lasts[i] >= start;
	}
	found->count = (size_t)(end - found->items);
	return 0;
}

/* Count what overlaps [start, last]. */
static size_t
bt_count(const struct bt_page *page, uint64_t start, uint64_t last, int inner)
{
	uint32_t stop = bt_prefix(page, last, inner);
	size_t count = 0;
	if (!page->height) {
		for (uint32_t i = 0; i < stop; i++)
			count += page->lasts[i] >= start;
		return count;
	}
	for (uint32_t i = 0; i < stop; i++)
		if (page->lasts[i] >= start)
			count += bt_count(page->slots[i], start, last, inner || i + 1 < stop);
	return count;
}

/* A place in a tree: the next slot to look at. Any change of the tree makes it stale. */
struct bt_cursor {
	const struct bt_page *page;
	uint32_t slot;
};

/* Return the next item that overlaps [start, last] and step past it, or NULL. */
static inline struct bt_item *
bt_next(struct bt_cursor *cursor, uint64_t start, uint64_t last)
{
	const struct bt_page *page = cursor->page;
	uint32_t slot = cursor->slot;
	while (page) {
		while (slot < page->count && page->lasts[slot] < start)
			slot++;
		if (slot == page->count) {
			slot = page->parent ? bt_slot_of(page->parent, page) + 1 : 0;
			page = page->parent;
		} else if (page->starts[slot] > last) {
			page = NULL;
		} else if (page->height) {
			page = page->slots[slot];
			slot = 0;
		} else {
			cursor->page = page;
			cursor->slot = slot + 1;
			return page->slots[slot];
		}
	}
	cursor->page = NULL;
	return NULL;
}

/* The first item, in order, that starts after the point, or NULL. O(log n). */
static struct bt_item *
bt_after(const struct bt_page *page, uint64_t point)
{
	struct bt_cursor cursor = {page, 0};
	if (!page)
		return NULL;
	while (page->height) {
		uint32_t slot = bt_upper(page->starts, page->count, point);
		page = page->slots[slot - (slot > 0)];
	}
	cursor.page = page;
	cursor.slot = bt_upper(page->starts, page->count, point);
	return bt_next(&cursor, 0, UINT64_MAX);
}

/* The greatest last before a point seen so far, and where it lies. */
struct bt_best {
	const struct bt_page *page;
	uint32_t slot;
};

/*
 * Find, from right to left, the slot with the greatest last before the point. Enters only
 * pages with an item that reaches the point: O(log n + c log(n / c)), c of these items.
 */
static void
bt_before(const struct bt_page *page, uint64_t point, struct bt_best *best)
{
	for (uint32_t i = page->count; i-- > 0;) {
		if (page->starts[i] >= point)
			continue;
		if (page->lasts[i] >= point) {
			if (page->height)
				bt_before(page->slots[i], point, best);
		} else if (!best->page || page->lasts[i] > best->page->lasts[best->slot]) {
			best->page = page;
			best->slot = i;
		}
	}
}

/* The item in a slot or below it that has the slot's last: the last such one in order. */
static struct bt_item *
bt_descend(const struct bt_page *page, uint32_t slot)
{
	uint64_t last = page->lasts[slot];
	while (page->height) {
		page = page->slots[slot];
		slot = page->count - 1;
		while (page->lasts[slot] != last)
			slot--;
	}
	return page->slots[slot];
}

#endif
