<?xml version="1.0" encoding="UTF-8"?>
<公務電話紀錄/>
